import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { imageDefinition } from "../../builder/image-definition.ts"
import { card } from "../../contract/card.ts"
import { egressSet } from "../../contract/egress-set.ts"
import { priceTable } from "../../contract/price-table.ts"
import { providerDefinition } from "../../contract/provider-definition.ts"
import { site } from "../../contract/site.ts"
import { parseToml } from "../../contract/toml.ts"
import { hostConfig } from "../../host-proxy/provider/host-config.ts"
import { egressCases } from "../host-proxy/policy/egress-cases.ts"
import { projectDir } from "./sources.ts"

/** The files that people write, by their heading in docs/definitions.md. */
const SHAPES: Readonly<Record<string, z.ZodType>> = {
  "image.toml": imageDefinition,
  "site.toml": site,
  "jcard.toml": card,
  "host.toml": hostConfig,
  "policies/egress": egressSet,
  "policies/cases": egressCases,
  "policies/providers": providerDefinition,
  "policies/prices": priceTable,
}
const page = readFileSync(join(projectDir, "docs/definitions.md"), "utf8")

interface Node {
  readonly type?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Node
  readonly items?: Node
  readonly default?: unknown
}

describe("docs/definitions.md", () => {
  it.each(Object.keys(SHAPES))("%s: describes each key that the program knows, and no other", (heading) => {
    expect([...describedKeys(heading)]).toEqual([...knownKeys(heading)])
  })

  it.each([...page.matchAll(/```toml\n# (\S+?)(?:, .*)?\n([\s\S]*?)```/g)].map((one) => [one[1], one[2]]))(
    "its example %s is a valid one",
    (file = "", text = "") => {
      const heading = Object.keys(SHAPES).find((one) => file.startsWith(one) || file.endsWith(one)) ?? ""
      const shape = SHAPES[heading] ?? z.never()
      expect(() => parseToml({ text, file, stage: "example" }, shape)).not.toThrow()
    },
  )
})

/** Key to default as the page's table says: `required`, `–`, or a value. */
function describedKeys(heading: string): Map<string, string> {
  const section = page.split(`\n## ${heading}\n`)[1]?.split("\n## ")[0] ?? ""
  const rows = [...section.matchAll(/^\| `([^`]+)` \|[^|]+\| ([^|]+) \|/gm)]
  return new Map(rows.map((row) => [row[1] ?? "", (row[2] ?? "").replaceAll("`", "")]))
}

function knownKeys(heading: string): Map<string, string> {
  const shape = SHAPES[heading] ?? z.never()
  // a JSON schema says the same of keys, types and defaults as the shape does
  return new Map(walk(z.toJSONSchema(shape, { io: "input" }) as Node, "", "–"))
}

function walk(node: Node, path: string, fallback: string): [string, string][] {
  if (node.properties) {
    return Object.entries(node.properties).flatMap(([key, child]) =>
      walk(child, path === "" ? key : `${path}.${key}`, node.required?.includes(key) ? "required" : "–"),
    )
  }
  if (node.type === "object") return walk(node.additionalProperties ?? {}, `${path}.NAME`, "–")
  if (node.items?.properties) return walk(node.items, `${path}[]`, "–")
  return [[path, node.default === undefined ? fallback : JSON.stringify(node.default)]]
}
