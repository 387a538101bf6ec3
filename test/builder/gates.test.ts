import { createWriteStream } from "node:fs"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { pack } from "tar-stream"
import { describe, expect, it } from "vitest"
import { checkBudget } from "../../builder/gates/check-budget.ts"
import { checkExposure } from "../../builder/gates/check-exposure.ts"
import { checkFiles } from "../../builder/gates/check-files.ts"
import { refuseFindings } from "../../builder/gates/finding.ts"
import { measureExposure } from "../../builder/gates/measure-exposure.ts"
import { readTree, type Tree, type TreeEntry } from "../../builder/tree.ts"
import { toolsDir } from "../machine/tools-home.ts"
import { openFolder } from "./project-folder.ts"

const ACCOUNTS = {
  "/etc/passwd": file("root:x:0:0::/root:/bin/sh\nagent:x:1000:1000::/home/agent:/bin/sh\n"),
  "/etc/group": file("root:x:0:\nagent:x:1000:\n"),
}
const NO_RULES = { planned: new Set<string>(), exceptions: [] }

describe("the gates on files", () => {
  it("let an ordinary tree through", () => {
    const tree = treeOf({
      "/usr/bin/tool": file("x", { mode: 0o755 }),
      "/tmp": { kind: "directory", mode: 0o1777, uid: 0, gid: 0 },
      "/usr/bin/sh": { kind: "link", target: "dash" },
      "/usr/lib/python3/__init__.py": file("x"),
      "/usr/share/with space/ä.txt": file("x"),
      "/usr/lib/.hidden": file("x"),
    })
    expect(checkFiles(tree, NO_RULES)).toEqual([])
  })

  it.each([
    ["setuid", "/usr/bin/su", file("x", { mode: 0o4755 }), "mode 4755"],
    ["setuid", "/usr/bin/wall", file("x", { mode: 0o2755 }), "mode 2755"],
    ["world-writable", "/usr/lib/x", file("x", { mode: 0o666 }), "mode 0666"],
    ["world-writable", "/opt", { kind: "directory", mode: 0o777, uid: 0, gid: 0 } as const, "mode 0777"],
    ["unowned", "/usr/lib/x", file("x", { mode: 0o444, uid: 77 }), "77:0"],
    ["unowned", "/usr/lib/x", file("x", { mode: 0o444, gid: 77 }), "0:77"],
    ["writable", "/usr/lib/x", file("x", { uid: 1000 }), "writable by uid 1000"],
    ["writable", "/usr/lib/x", file("x", { gid: 1000, mode: 0o664 }), "writable by gid 1000"],
    ["odd-name", "/usr/bin/a\u202eb", file("x"), '"a\u202eb"'],
    ["odd-name", "/usr/bin/a\nb", file("x"), '"a\\nb"'],
    ["odd-name", "/usr/bin/sh ", file("x"), '"sh "'],
    ["odd-name", "/usr/lib/...", file("x"), '"..."'],
    ["odd-name", "/usr/lib/-rf", file("x"), '"-rf"'],
  ])("refuse by %s: %s", (gate, path, entry, found) => {
    const tree = treeOf({ [path]: entry })
    expect(checkFiles(tree, NO_RULES)).toMatchObject([{ gate, subject: path, found }])
    const exceptions = [{ gate, paths: [path], why: "it is meant in a test" }] as never
    expect(checkFiles(tree, { ...NO_RULES, exceptions })).toEqual([])
  })

  it("take what the definition places with an owner for explained", () => {
    const tree = treeOf({ "/home/agent": { kind: "directory", mode: 0o700, uid: 1000, gid: 1000 } })
    expect(checkFiles(tree, NO_RULES)).toHaveLength(1)
    expect(checkFiles(tree, { ...NO_RULES, planned: new Set(["/home/agent"]) })).toEqual([])
  })

  it("see a capability that a tar archive carries beside a file", async () => {
    using folder = openFolder()
    const tar = join(folder.dir, "a.tar")
    const writer = pack()
    const pax = { "SCHILY.xattr.security.capability": "\u0001\u0000\u0000\u0002 \u0000" }
    writer.entry({ name: "./usr/bin/ping", mode: 0o755, pax } as never, "x")
    writer.finalize()
    await pipeline(writer, createWriteStream(tar))
    const tree = await readTree(tar, () => false)
    expect(checkFiles(new Map([...treeOf({}), ...tree]), NO_RULES)).toMatchObject([
      { gate: "capabilities", subject: "/usr/bin/ping" },
    ])
  })

  it("say all at once what does not pass, what is allowed, and what to do", () => {
    const tree = treeOf({ "/a": file("x", { mode: 0o4755 }), "/b": file("x", { mode: 0o666 }) })
    expect(() => refuseFindings("base", checkFiles(tree, NO_RULES))).toThrow(
      /image base does not pass its gates:\n {2}setuid: \/a: mode 4755; allowed: no setuid[^\n]*\n[^\n]*\[\[prune\]\][^\n]*\n {2}world-writable: \/b/,
    )
    expect(() => refuseFindings("base", [])).not.toThrow()
  })
})

describe("the gate on services", () => {
  it("holds each to 1.5 or to what its allowance says, and refuses an allowance that is not needed", () => {
    const exposures = new Map([
      ["calm.service", 15],
      ["open.service", 16],
      ["known.service", 47],
      ["worse.service", 48],
    ])
    const allow = (unit: string, atMost: number) => ({ units: [unit], atMost, why: "a test of it" })
    const findings = checkExposure(exposures, [
      allow("known.service", 47),
      allow("worse.service", 47),
      allow("calm.service", 20),
      allow("gone.service", 20),
    ])
    expect(findings.map(({ gate, subject, found, allowed }) => [gate, subject, found, allowed])).toEqual([
      ["exposure", "open.service", "1.6", "1.5"],
      ["exposure", "worse.service", "4.8", "4.7"],
      ["exception", "calm.service", "1.5, which needs no allowance of 2.0", "allowances that are needed"],
      ["exception", "gone.service", "no such unit", "allowances that are needed"],
    ])
  })

  it.skipIf(toolsDir === null)(
    "reads the exposure of plain, sandboxed and template units off systemd itself",
    async () => {
      using folder = openFolder()
      const unit = (...lines: string[]) => file(`[Service]\nExecStart=/usr/bin/true\n${lines.join("\n")}\n`)
      const dir = "/usr/lib/systemd/system"
      const tree = treeOf({
        [`${dir}/plain.service`]: unit(),
        [`${dir}/tight@.service`]: unit("User=agent", "NoNewPrivileges=yes", "ProtectSystem=strict"),
        "/etc/systemd/system/tight@.service.d/more.conf": file("[Service]\nPrivateNetwork=yes\n"),
        "/etc/systemd/system/masked.service": { kind: "link", target: "/dev/null" },
      })
      const runner = { logFile: join(folder.dir, "log"), signal: new AbortController().signal }
      const found = await measureExposure({ ...runner, tree, toolsDir: toolsDir ?? "", dir: folder.dir })
      expect([...found.keys()]).toEqual(["plain.service", "tight@.service"])
      expect(found.get("plain.service")).toBeGreaterThan(90)
      expect(found.get("tight@.service")).toBeLessThan(85)
    },
  )
})

describe("the gate on sizes", () => {
  it("names what is over its budget, and where most of it lies", () => {
    const tree = treeOf({ "/usr/lib/big/x": file("x".repeat(3 * 1_048_576)), "/usr/bin/a": file("a") })
    const budget = { tree: { mib: 2, why: "a test of it" } }
    expect(checkBudget(budget, { tree: 3 * 1_048_576 }, tree)).toMatchObject([
      {
        gate: "budget",
        subject: "tree",
        found: "3.0 MiB",
        allowed: "2 MiB",
        advice: expect.stringContaining("/usr/lib/big 3.0 MiB"),
      },
    ])
    expect(checkBudget(budget, { tree: 2 * 1_048_576 }, tree)).toEqual([])
    expect(checkBudget({}, { tree: 1, root: 1 }, tree)).toEqual([])
  })
})

function treeOf(entries: Readonly<Record<string, TreeEntry>>): Tree {
  return new Map(Object.entries({ ...ACCOUNTS, ...entries }))
}

function file(text: string, owner: { mode?: number; uid?: number; gid?: number } = {}): TreeEntry {
  const bytes = Buffer.from(text)
  return { kind: "file", mode: 0o644, uid: 0, gid: 0, ...owner, content: { bytes, sizeBytes: bytes.length } }
}
