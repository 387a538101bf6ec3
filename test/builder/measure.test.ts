import { existsSync, readFileSync } from "node:fs"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { describe, expect, it } from "vitest"
import { measureRuleset } from "../../builder/measure/measure-ruleset.ts"
import { measureUnits } from "../../builder/measure/measure-units.ts"
import { type Tree, type TreeEntry, writeTree } from "../../builder/tree.ts"
import { homeLayout } from "../../contract/home.ts"
import { currentToolsTree } from "../../contract/tools-tree.ts"
import { renderFirewall } from "../guest-agent/guest-lab.ts"
import { openFolder } from "./project-folder.ts"

const home = homeLayout(resolve(process.env["STEREO_HOME"] ?? join(homedir(), ".local", "share", "stereo")))
const toolsDir = currentToolsTree(home)
const skipped = existsSync(join(toolsDir, "usr/sbin/nft"))
  ? null
  : "the tools tree has no nft: `stereo setup`"
if (skipped) process.stderr.write(`measure.test.ts is skipped in part: ${skipped}\n`)

async function measure(text: string): Promise<{ ruleset: string; firewall: string }> {
  using folder = openFolder()
  const { dir } = folder
  const firewall = { bytes: Buffer.from(text), from: "images/templates/nftables.njk" }
  const runner = { logFile: join(dir, "log"), signal: new AbortController().signal }
  await measureRuleset({ ...runner, firewall, toolsDir, dir })
  const read = (name: string) => readFileSync(join(dir, name), "utf8")
  return { ruleset: read("ruleset.json"), firewall: read("firewall.nft") }
}

describe.skipIf(skipped !== null)(`the measured packet filter${skipped ? ` (${skipped})` : ""}`, () => {
  it("is what a kernel made of the file, and the same bytes twice", async () => {
    const [first, second] = [await measure(renderFirewall()), await measure(renderFirewall())]
    expect(second).toEqual(first)
    expect(first.firewall).toBe(renderFirewall())
    const { nftables } = JSON.parse(first.ruleset)
    const kinds = nftables.map((item: object) => Object.keys(item)[0])
    expect(kinds).toContain("rule")
    expect(kinds.filter((kind: string) => kind === "table")).toHaveLength(1)
    expect(first.ruleset).toContain('"right":"tcp"')
    expect(first.ruleset).not.toMatch(/handle|metainfo/)
  })

  it("changes with a rule, and not with a comment of the file or its spacing", async () => {
    const { ruleset } = await measure(renderFirewall())
    expect((await measure(`${renderFirewall()}\n# another comment\n\n`)).ruleset).toBe(ruleset)
    expect((await measure(renderFirewall().replace("skuid 990 ct", "skuid 991 ct"))).ruleset).not.toBe(
      ruleset,
    )
  })

  it.each([
    [
      "a word that nft does not know",
      "policy drop;",
      "policy dropp;",
      /nftables\.njk:\d+: syntax error.*\n {4}type/,
    ],
    [
      "a jump to a chain that is not there",
      "goto inside",
      "goto outside",
      /nftables\.njk:\d+: .*\n {4}ip daddr/,
    ],
    ["an interface that no build host has", "iif lo", "iif eth7", /nftables\.njk:\d+: .*\n {4}/],
  ])("with %s fails the build with file and line", async (_what, right, wrong, message) => {
    await expect(measure(renderFirewall().replace(right, wrong))).rejects.toMatchObject({
      code: "measure/bad-firewall",
      message: expect.stringMatching(message),
    })
  })
})

describe("the measured units", () => {
  const file = (text: string, mode = 0o644) => {
    const bytes = Buffer.from(text)
    return { kind: "file", mode, uid: 0, gid: 0, content: { bytes, sizeBytes: bytes.length } } as const
  }
  async function unitsOf(entries: Tree): Promise<readonly { path: string }[]> {
    using folder = openFolder()
    await writeTree(entries, join(folder.dir, "root.tar"))
    return JSON.parse(await measureUnits(join(folder.dir, "root.tar")))
  }
  const UNIT = "/usr/lib/systemd/system/a.service"
  const LINK = "/etc/systemd/system/b.target.wants/a.service"

  it("are every file and link of systemd's folders, and nothing else", async () => {
    const units = await unitsOf(
      new Map<string, TreeEntry>([
        ["/usr/bin/sh", file("sh")],
        [UNIT, file("[Unit]")],
        [LINK, { kind: "link", target: UNIT }],
      ]),
    )
    expect(units).toMatchObject([
      { path: LINK, kind: "link", content: UNIT },
      { path: UNIT, kind: "file", mode: "0644" },
    ])
  })

  it("differ when a byte, a mode or a name differs", async () => {
    const texts = new Set<string>()
    for (const [path, entry] of [
      [UNIT, file("[Unit]")],
      [UNIT, file("[unit]")],
      [UNIT, file("[Unit]", 0o755)],
      ["/usr/lib/systemd/system/b.service", file("[Unit]")],
    ] as const) {
      texts.add(JSON.stringify(await unitsOf(new Map([[path, entry]]))))
    }
    expect(texts.size).toBe(4)
  })

  it("are refused when one of systemd's folders is a link: the guest would read another", async () => {
    const elsewhere = unitsOf(new Map([["/etc/systemd/system", { kind: "link", target: "/usr" }]]))
    await expect(elsewhere).rejects.toMatchObject({ code: "measure/folder-is-link" })
  })
})
