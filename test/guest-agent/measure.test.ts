import { type ChildProcess, execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { readRoot } from "../../guest-agent/agent/read-root.ts"
import { waitFor } from "./capture-lab.ts"
import { bundleGuestProgram, GuestLab, labProblem } from "./guest-lab.ts"

const MOUNTS = `20 23 0:19 / /proc rw shared:13 - proc proc rw
23 1 253:0 / / ro,nosuid shared:1 - erofs /dev/mapper/root ro,user_xattr
34 23 0:25 /machine-id /etc/machine-id ro shared:14 - tmpfs tmpfs rw
`

function readFrom(mounts: string, commandLine = "quiet stereo.root=abc123:salt:7") {
  const dir = mkdtempSync(join(tmpdir(), "stereo-root-"))
  try {
    for (const folder of ["1", "253:0/dm", "253:0/slaves/vda"])
      mkdirSync(join(dir, folder), { recursive: true })
    writeFileSync(join(dir, "cmdline"), `${commandLine}\n`)
    writeFileSync(join(dir, "1/mountinfo"), mounts)
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
/** More than the 32 MiB that the kernel keeps for nft while it does not read. */
const FLOOD = `
yes 'add rule inet stereo forward counter comment "one more"' | head -n 8000 >/run/flood.nft
for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do nft -f /run/flood.nft; done`

describe.skipIf(problem)(`the watch on the packet filter${problem ? ` (${problem})` : ""}`, () => {
  let lab: GuestLab
  let said: string[]
  let client: ChildProcess
  beforeAll(async () => {
    lab = new GuestLab()
    await bundleGuestProgram("test/guest-agent/watch-client.ts", join(lab.dir, "watch.cjs"))
  })
  afterAll(() => lab[Symbol.dispose]())
  beforeEach(async () => {
    said = []
    client = lab.start(0, ["/run/node", join(lab.dir, "watch.cjs")])
    client.stdout?.on("data", (chunk) => said.push(...String(chunk).trim().split("\n")))
    client.stderr?.pipe(process.stderr)
    await heard("watching")
  })
  afterEach(() => lab.kill(client))

  const heard = (what: string | RegExp) =>
    waitFor(String(what), () =>
      said.find((line) => (typeof what === "string" ? line === what : what.test(line))),
    )
  const ask = () => {
    said.length = 0
    client.stdin?.write("?\n")
    return waitFor("an answer", () => said.find((line) => line === "hears" || line === "missed"))
  }
  const nft = (...words: string[]) => lab.run(0, ["nft", ...words])
  const monitor = () => {
    const argv = ["-P", String(client.pid), "-x", "nft"]
    return Number(execFileSync("pgrep", argv, { encoding: "utf8" }).trim())
  }

  it("hears of a change unasked, and of nothing when the rules are merely listed", async () => {
    await nft("list", "ruleset")
    expect(await ask()).toBe("hears")
    expect(said).toEqual(["hears"])
    await nft("add", "table", "inet", "another")
    await heard("change")
  })

  it("tells when its program is killed", async () => {
    process.kill(monitor(), "SIGKILL")
    await heard(/^lost: nft monitor ended/)
  })

  it("finds a program that was stopped, and what it has not read meanwhile", async () => {
    process.kill(monitor(), "SIGSTOP")
    await nft("flush", "chain", "inet", "stereo", "forward")
    expect(await ask()).toBe("missed")
    expect(said).toContain("change")
    await heard(/^lost: /)
  })

  it("knows of a flood that is more than the kernel keeps", async () => {
    const pid = monitor()
    process.kill(pid, "SIGSTOP")
    await lab.run(0, ["sh", "-ec", FLOOD])
    process.kill(pid, "SIGCONT")
    await heard("change")
    // it goes on, and the kernel says that something was dropped
    expect(await ask()).toBe("missed")
  })
})
