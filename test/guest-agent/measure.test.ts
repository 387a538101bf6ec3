import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { readRoot } from "../../guest-agent/agent/read-root.ts"
import { watchRuleset } from "../../guest-agent/agent/watch-ruleset.ts"
import { waitFor } from "./capture-lab.ts"
import { labProblem } from "./guest-lab.ts"

const MOUNTS = `20 23 0:19 / /proc rw shared:13 - proc proc rw
23 1 253:0 / / ro,nosuid shared:1 - erofs /dev/mapper/root ro,user_xattr
34 23 0:25 /machine-id /etc/machine-id ro shared:14 - tmpfs tmpfs rw
`

function readFrom(mounts: string, commandLine = "quiet stereo.root=abc123:salt:7") {
  const dir = mkdtempSync(join(tmpdir(), "stereo-root-"))
  try {
    for (const folder of ["self", "253:0/dm", "253:0/slaves/vda"])
      mkdirSync(join(dir, folder), { recursive: true })
    writeFileSync(join(dir, "cmdline"), `${commandLine}\n`)
    writeFileSync(join(dir, "self/mountinfo"), mounts)
    writeFileSync(join(dir, "253:0/dm/name"), "root\n")
    writeFileSync(join(dir, "253:0/ro"), "1\n")
    return readRoot(dir, dir).finally(() => rmSync(dir, { recursive: true }))
  } catch (thrown) {
    rmSync(dir, { recursive: true })
    throw thrown
  }
}

describe("the measured root", () => {
  it("is the hash that the kernel was given, the mount, and the device under it", async () => {
    expect(await readFrom(MOUNTS)).toEqual({
      hash: "abc123",
      mount: "erofs /dev/mapper/root ro",
      device: "dm root ro on vda",
      covered: ["/etc/machine-id"],
    })
  })

  it("shows what is mounted over it, and over a part of it", async () => {
    const over = await readFrom(
      `${MOUNTS}50 23 0:40 / /usr/bin rw - tmpfs tmpfs rw\n51 1 0:41 / / rw - tmpfs evil rw\n`,
    )
    expect(over).toMatchObject({
      mount: "tmpfs evil rw",
      device: "",
      covered: ["/etc/machine-id", "/usr/bin"],
    })
    expect((await readFrom(MOUNTS, "quiet")).hash).toBe("")
  })
})

const problem = labProblem()

describe("the watch on the packet filter", () => {
  it("hears when it resolves, hears of a change within a second, and tells its own end", async (context) => {
    if (problem) return context.skip(problem)
    const seen: string[] = []
    const watch = await watchRuleset({
      onChange: () => seen.push("change"),
      onLost: (reason) => seen.push(reason),
    })
    expect(await watch.isHearing()).toBe(true)
    const table = `stereo_test_${process.pid}`
    const beganAt = performance.now()
    execFileSync("nft", ["add", "table", "inet", table])
    try {
      await waitFor("the change", () => seen.includes("change") || undefined)
      expect(performance.now() - beganAt).toBeLessThan(1_000)
    } finally {
      execFileSync("nft", ["delete", "table", "inet", table])
    }
    const children = execFileSync("pgrep", ["-P", String(process.pid), "-x", "nft"], { encoding: "utf8" })
    for (const pid of children.trim().split("\n")) process.kill(Number(pid), "SIGKILL")
    await waitFor("its end", () => seen.some((one) => one.includes("SIGKILL")) || undefined)
    expect(await watch.isHearing()).toBe(false)
  })
})
