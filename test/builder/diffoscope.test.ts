import { spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { gzipSync } from "node:zlib"
import { afterEach, describe, expect, it } from "vitest"
import { makeRoot } from "../../builder/artifact/make-root.ts"
import { compareRoots } from "../../builder/compare/compare-roots.ts"
import { openDiffoscope } from "../../builder/compare/diffoscope.ts"
import { writeTree } from "../../builder/tree.ts"
import { homeLayout } from "../../contract/home.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { currentToolsTree } from "../../contract/tools-tree.ts"
import { openFolder, type TestFolder } from "./project-folder.ts"

const usual = homeLayout(resolve(process.env["STEREO_HOME"] ?? join(homedir(), ".local", "share", "stereo")))
const toolsDir = currentToolsTree(usual)
const skipped = existsSync(toolsDir) ? null : "there is no tools tree: `stereo setup` makes it"
if (skipped) process.stderr.write(`diffoscope.test.ts is skipped in part: ${skipped}\n`)

const lacking = spawnSync("diffoscope", ["--version"]).error !== undefined
if (lacking) console.warn("skipped: diffoscope is not installed")

const PAIR = { before: Buffer.from("one\n"), after: Buffer.from("two\n") }
const SHOW_BOTH = 'for each; do case $each in before/* | after/*) cat "$each" ;; esac; done; exit 1'
const path = process.env["PATH"]
afterEach(() => {
  process.env["PATH"] = path
})

/** A program of that name first on PATH, which keeps its arguments in the one folder that it may write. */
function standIn(folder: TestFolder, body: string): void {
  const script = `#!/bin/sh
[ "$1" = --version ] && exit 0
echo "$@" >>"$TMPDIR/calls"
${body}
`
  folder.write("bin/diffoscope", script, 0o755)
  process.env["PATH"] = `${join(folder.dir, "bin")}:${path}`
}

function open(folder: TestFolder, more: { timeoutMs?: number; signal?: AbortSignal } = {}) {
  const { signal } = new AbortController()
  return openDiffoscope({
    workDir: join(folder.dir, "work"),
    logFile: join(folder.dir, "log"),
    signal,
    ...more,
  })
}

describe("diffoscope", () => {
  it("is shown both files under one name, and what it prints is given", async () => {
    using folder = openFolder()
    standIn(folder, SHOW_BOTH)
    const diffoscope = open(folder)
    expect(await diffoscope.compare("root/etc/x", PAIR)).toEqual(["one", "two"])
    expect(diffoscope.lacking()).toBeNull()
    const [call] = readFileSync(join(folder.dir, "work/calls"), "utf8").split("\n")
    expect(call).toMatch(
      /^--no-progress .* --max-text-report-size \d+ --text - before\/root\/etc\/x after\/root\/etc\/x$/,
    )
  })

  it("may write nowhere else, and has no network", async () => {
    using folder = openFolder()
    const elsewhere = folder.write("elsewhere", "as it was")
    standIn(folder, `echo changed >${elsewhere}; ls /sys/class/net /proc/net/ | head -0; cat /proc/net/dev`)
    const lines = await open(folder).compare("x", PAIR)
    expect(readFileSync(elsewhere, "utf8")).toBe("as it was")
    expect(lines.filter((line) => /^\s*\w+:/.test(line)).map((line) => line.trim().split(":")[0])).toEqual([
      "lo",
    ])
  })

  it("is cut to its first forty lines of at most 160 characters, and the log has all", async () => {
    using folder = openFolder()
    standIn(folder, "seq 1 100; printf 'x%.0s' $(seq 300) >&2")
    const lines = await open(folder).compare("x", PAIR)
    expect(lines.length).toBe(41)
    expect(lines.at(-1)).toBe(`… 60 lines more: ${join(folder.dir, "log")} has them`)
    expect(readFileSync(join(folder.dir, "log"), "utf8")).toMatch(/\n99\n100\n/)
    standIn(folder, "printf 'x%.0s' $(seq 300)")
    expect(await open(folder).compare("x", PAIR)).toEqual([`${"x".repeat(159)}…`])
  })

  it("that fails shows what it said", async () => {
    using folder = openFolder()
    standIn(folder, "echo 'out of memory' >&2; exit 2")
    expect(await open(folder).compare("x", PAIR)).toEqual(["out of memory"])
  })

  it("that takes too long is ended, and the next file is compared all the same", async () => {
    using folder = openFolder()
    standIn(
      folder,
      'case "$*" in *slow*) while :; do date +%N >"$TMPDIR/alive"; sleep 0.05; done;; esac; echo quick',
    )
    const diffoscope = open(folder, { timeoutMs: 1500 })
    expect(await diffoscope.compare("slow", PAIR)).toEqual([
      "diffoscope was ended after 1.5 s: it had not finished",
    ])
    await expectStopped(folder)
    expect(await diffoscope.compare("x", PAIR)).toEqual(["quick"])
  })

  it("ends with the command, at Ctrl-C", async () => {
    using folder = openFolder()
    standIn(folder, 'while :; do date +%N >"$TMPDIR/alive"; sleep 0.05; done')
    const stop = new AbortController()
    const comparing = open(folder, { signal: stop.signal }).compare("x", PAIR)
    const outcome = comparing.then(
      () => null,
      (thrown: unknown) => thrown,
    )
    while (!existsSync(join(folder.dir, "work/alive"))) await sleep(20)
    stop.abort(new Error("stopped by the test"))
    expect(await outcome).toMatchObject({ message: "stopped by the test" })
    await expectStopped(folder)
  })

  it("that does not run here says why", async () => {
    using folder = openFolder()
    folder.write("bin/diffoscope", "#!/bin/sh\necho no module named magic >&2\nexit 1\n", 0o755)
    process.env["PATH"] = `${join(folder.dir, "bin")}:${path}`
    const diffoscope = open(folder)
    expect(await diffoscope.compare("x", PAIR)).toEqual([])
    expect(diffoscope.lacking()).toMatch(/^diffoscope does not run here, .*: no module named magic$/)
  })
})

describe.skipIf(lacking)("the real diffoscope", () => {
  it("shows the lines that differ, also inside of what is packed", async () => {
    using folder = openFolder()
    const diffoscope = open(folder)
    const shown = await diffoscope.compare("root/etc/x", PAIR)
    expect(shown).toEqual(["--- before/root/etc/x", "+++ after/root/etc/x", "@@ -1 +1 @@", "-one", "+two"])
    expect(diffoscope.lacking()).toBeNull()
    const packed = await diffoscope.compare("root/x.gz", {
      before: gzipSync(PAIR.before),
      after: gzipSync(PAIR.after),
    })
    expect(packed.slice(0, 2)).toEqual(["--- before/root/x.gz", "+++ after/root/x.gz"])
    expect(packed.map((line) => line.replace(/^[│├─ ]+/, ""))).toEqual(
      expect.arrayContaining(["-one", "+two"]),
    )
  })
})

describe.skipIf(skipped !== null)(`two roots${skipped ? ` (${skipped})` : ""}`, () => {
  it("have the files that differ compared, as they lie in them, a few and not the largest", async () => {
    using folder = openFolder()
    standIn(folder, SHOW_BOTH)
    const names = ["a", "b", "c", "d", "e", "f", "g"]
    await makeDisk(folder, "before", new Map(names.map((name) => [`/${name}`, `old ${name}`])))
    await makeDisk(folder, "after", new Map(names.slice(1).map((name) => [`/${name}`, `new ${name}`])))
    const large = { path: "/large", sizeBytes: 1e9 }
    const changed = [large, ...names.map((name) => ({ path: `/${name}`, sizeBytes: 5 }))]
    expect(await compareRoots(requestOf(folder), open(folder), changed)).toEqual([
      "/a: the disk has no such file, against its inventory",
      ...["b", "c", "d", "e", "f"].flatMap((name) => [`inside of /${name}:`, `old ${name}new ${name}`]),
      "contents of 2 more files are not shown",
    ])
  })

  it("of which one is damaged say that, and nothing else fails", async () => {
    using folder = openFolder()
    standIn(folder, "exit 1")
    await makeDisk(folder, "after", new Map([["/a", "new"]]))
    folder.write("before/root.verity", "no disk")
    const lines = await compareRoots(requestOf(folder), open(folder), [{ path: "/a", sizeBytes: 1 }])
    expect(lines).toEqual([expect.stringMatching(/^contents cannot be shown: the sealed root: /)])
  })
})

function requestOf({ dir }: TestFolder) {
  const manifest = { files: { root: { name: "root.verity" } } } as unknown as Manifest
  const { signal } = new AbortController()
  const [before, after] = [join(dir, "before"), join(dir, "after")]
  return { before, after, manifest, toolsDir, workDir: join(dir, "work"), signal }
}

async function makeDisk(folder: TestFolder, side: string, texts: ReadonlyMap<string, string>): Promise<void> {
  const tar = folder.write(`${side}/root.tar`, "")
  const entries = [...texts].map(([name, text]) => {
    const content = { bytes: Buffer.from(text), sizeBytes: text.length }
    return [name, { kind: "file", mode: 0o644, uid: 0, gid: 0, content }] as const
  })
  await writeTree(new Map(entries), tar)
  const dir = join(folder.dir, side)
  const { signal } = new AbortController()
  const logFile = join(dir, "log")
  await makeRoot({ logFile, signal, tar, tarSha256: "ab".repeat(32), compression: "lz4hc", toolsDir, dir })
}

/** It wrote every twentieth of a second. */
async function expectStopped(folder: TestFolder): Promise<void> {
  const alive = () => readFileSync(join(folder.dir, "work/alive"), "utf8")
  await sleep(100)
  const last = alive()
  await sleep(300)
  expect(alive()).toBe(last)
}
