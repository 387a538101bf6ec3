import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { SHOW_FORMATS } from "../../review/egress-view.ts"
import { showEgress } from "../../review/show-egress.ts"
import { after, before, broken, TODAY } from "./fixture-views.ts"

const golden = join(import.meta.dirname, "../golden/review")

/** What SARIF 2.1.0 demands of the parts that are written; an unknown part would be a mistake. */
const level = z.enum(["none", "note", "warning", "error"])
const message = z.strictObject({ text: z.string().min(1) })
const location = z.union([
  z.strictObject({
    physicalLocation: z.strictObject({
      artifactLocation: z.strictObject({
        uri: z.string().regex(/^[\w./%-]+$/),
        uriBaseId: z.literal("SRCROOT"),
      }),
      region: z.strictObject({ startLine: z.int().min(1) }),
    }),
  }),
  z.strictObject({ logicalLocations: z.array(z.strictObject({ fullyQualifiedName: z.string().min(1) })) }),
])
const sarif = z.strictObject({
  $schema: z.url(),
  version: z.literal("2.1.0"),
  runs: z.array(
    z.strictObject({
      tool: z.strictObject({
        driver: z.strictObject({
          name: z.string(),
          rules: z.array(
            z.strictObject({
              id: z.string(),
              shortDescription: message,
              defaultConfiguration: z.strictObject({ level }),
            }),
          ),
        }),
      }),
      columnKind: z.enum(["utf16CodeUnits", "unicodeCodePoints"]),
      originalUriBaseIds: z.record(z.string(), z.strictObject({ description: message })),
      properties: z.record(z.string(), z.unknown()),
      results: z.array(
        z.strictObject({
          ruleId: z.string(),
          ruleIndex: z.int().min(0),
          level,
          message,
          locations: z.array(location).length(1),
          partialFingerprints: z.record(z.string(), z.string()),
        }),
      ),
    }),
  ),
})

describe("egress show", () => {
  it.each(SHOW_FORMATS)("as %s: the golden form", async (format) => {
    await expect(showEgress(after, format, TODAY)).toMatchFileSnapshot(join(golden, `show-${format}.golden`))
  })

  it.each(SHOW_FORMATS)(
    "as %s says of a broken policy that nothing leaves, and where it is broken",
    (format) => {
      const shown = showEgress(broken, format, TODAY)
      expect(shown).toContain("policies/egress/team.toml")
      expect(shown).toMatch(/nothing|broken/i)
      expect(shown).not.toContain("https://api.example.com")
    },
  )

  it.each(["text", "markdown", "html", "sarif"] as const)(
    "as %s lets no character of a file reorder or steer what is read",
    (format) => {
      expect(showEgress(after, format, TODAY)).not.toMatch(/\p{Cf}/u)
    },
  )

  it("as HTML is one file without scripts, in which everything is escaped", () => {
    const html = showEgress(after, "html", TODAY)
    expect(html).toContain("default-src 'none'")
    expect(html).toContain("of | it `quoted` &#60;b&#62;")
    expect(html).not.toMatch(/<script|<b>|\bsrc=|href=|url\(/)
  })

  it("as Markdown keeps a bar of a reason from ending its cell", () => {
    const markdown = showEgress(after, "markdown", TODAY)
    const row = markdown.split("\n").find((line) => line.includes("inference and the files")) ?? ""
    expect(row.replace(/\\\|/g, "").split("|")).toHaveLength(7)
  })

  it.each([after, before, broken])("as SARIF keeps to its schema, with a place for each result", (view) => {
    const document = sarif.parse(JSON.parse(showEgress(view, "sarif", TODAY)))
    const { results, tool } = document.runs[0] ?? { results: [], tool: { driver: { rules: [] } } }
    expect(results.length).toBeGreaterThan(0)
    for (const { ruleId, ruleIndex } of results) expect(tool.driver.rules[ruleIndex]?.id).toBe(ruleId)
  })

  it("as SARIF puts a broken set at its line, as an error", () => {
    const { runs } = sarif.parse(JSON.parse(showEgress(broken, "sarif", TODAY)))
    const region = { startLine: 26 }
    const artifactLocation = { uri: "policies/egress/team.toml", uriBaseId: "SRCROOT" }
    expect(runs[0]?.results).toMatchObject([
      { level: "error", locations: [{ physicalLocation: { artifactLocation, region } }] },
    ])
  })
})
