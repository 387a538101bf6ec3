import { randomBytes } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { homeLayout, machineLayout } from "../../contract/home.ts"
import { machineRecord } from "../../contract/machine-record.ts"
import { isAlive } from "../../machine/process-ref.ts"
import { openTerminal } from "../cli/terminal.ts"
import { openTestHome, projectDir, type TestHome } from "./test-home.ts"

interface Listed {
  readonly name: string
  readonly state: string
  readonly failure: string | null
}

let home: TestHome

beforeAll(() => {
  home = openTestHome("")
})
afterAll(() => home[Symbol.asyncDispose]())

describe("a machine", () => {
  beforeAll(async () => {
    await home.must(["up", "--name", "one"])
  })

  it("is listed as running, and says that nothing isolates under TCG", async () => {
    const [one] = (await home.json(["ls"])) as (Listed & { accelerator: string; isolation: string })[]
    expect(one).toMatchObject({ name: "one", state: "running", failure: null })
    expect(one?.isolation).toBe(one?.accelerator === "kvm" ? "hardware" : "none")
  })

  it("runs a command with its own words, streams and exit code, as agent and as root", async () => {
    const words = ["sh", "-c", 'id -un; printf "%s|" "$@" >&2; exit 7', "sh", "a b", "it's", "$HOME"]
    const { code, stdout, stderr } = await home.stereo(["exec", "one", "--", ...words])
    expect({ code, stdout, stderr }).toEqual({ code: 7, stdout: "agent\n", stderr: "a b|it's|$HOME|" })
    expect((await home.must(["exec", "--user", "root", "one", "--", "id", "-un"])).stdout).toBe("root\n")
  })

  it("takes and gives back any bytes", async () => {
    const input = randomBytes(1_000_000)
    const { bytes } = await home.must(["exec", "one", "--", "cat"], { input })
    expect(bytes.equals(input)).toBe(true)
  })

  it("gives 128 and the signal's number when a signal ended the command", async () => {
    expect((await home.stereo(["exec", "one", "--", "sh", "-c", "kill -15 $$"])).code).toBe(143)
  })

  it("runs commands from two terminals at once", async () => {
    const both = await Promise.all(
      ["a", "b"].map((word) => home.must(["exec", "one", "--", "sh", "-c", `sleep 1; echo ${word}`])),
    )
    expect(both.map(({ stdout }) => stdout)).toEqual(["a\n", "b\n"])
  })

  it("gives a command a terminal of this one's size", async () => {
    const line = `stty rows 33 cols 99; '${join(projectDir, "stereo")}' exec -t one -- sh -c 'tty; stty size'`
    await using terminal = openTerminal(line, { environment: { STEREO_HOME: home.root } })
    expect(await terminal.ended).toBe(0)
    expect(terminal.text()).toMatch(/\/dev\/pts\/\d+\n33 99\n/)
  })

  it("passes an interruption on to the command", async () => {
    const script = 'trap "echo caught; exit 9" INT; echo ready; while :; do sleep 0.1; done'
    const child = home.start(["exec", "one", "--", "sh", "-c", script])
    let shown = ""
    child.stdout?.on("data", (chunk: Buffer) => {
      if (shown === "") child.kill("SIGINT")
      shown += chunk.toString()
    })
    const code = await new Promise((settle) => child.once("close", settle))
    expect({ code, shown }).toEqual({ code: 9, shown: "ready\ncaught\n" })
  })

  it("is entered again after the host service was started anew", async () => {
    await home.must(["host", "stop"])
    expect((await home.must(["exec", "one", "--", "echo", "back"])).stdout).toBe("back\n")
  })

  it("keeps its name to itself while it runs", async () => {
    const { code, stderr } = await home.stereo(["up", "--name", "one"])
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("machine/already-there"),
    })
    expect((await home.stereo(["rm", "one"])).stderr).toContain("machine/still-running")
  })

  it("powers off when asked, and starts again with what its agent had written", async () => {
    await home.must(["exec", "one", "--", "sh", "-c", "echo kept > note"])
    expect((await home.must(["down", "one"])).stdout).toContain("guest powered off")
    expect(await home.json(["ls"])).toMatchObject([{ name: "one", state: "stopped" }])
    await home.must(["up", "--name", "one"])
    expect((await home.must(["exec", "one", "--", "cat", "note"])).stdout).toBe("kept\n")
  })

  it("is told to have ended when its QEMU is killed, and can be removed", async () => {
    const qemu = qemuOf("one")
    process.kill(qemu.pid, "SIGKILL")
    while (isAlive(qemu)) await delay(20)
    const [one] = (await home.json(["ls"])) as Listed[]
    expect(one).toMatchObject({ state: "failed", failure: expect.stringContaining("QEMU ended") })
    expect((await home.stereo(["exec", "one", "--", "true"])).stderr).toContain("machine/not-running")
    expect((await home.must(["logs", "one"])).stdout).not.toBe("")
    await home.must(["rm", "one"])
    expect(leftovers()).toEqual([])
  })
})

describe("a machine that is interrupted while it starts", () => {
  it("leaves nothing behind after Ctrl-C", async () => {
    const child = home.start(["up", "--name", "cut"])
    const qemu = await untilStarted("cut")
    child.kill("SIGINT")
    expect(await new Promise((settle) => child.once("close", settle))).toBe(130)
    expect(isAlive(qemu)).toBe(false)
    expect(leftovers()).toEqual([])
  })

  it("is ended by the next command when its own was killed", async () => {
    const child = home.start(["up", "--name", "cut"])
    const qemu = await untilStarted("cut")
    child.kill("SIGKILL")
    await new Promise((settle) => child.once("close", settle))
    expect(await home.json(["ls"])).toMatchObject([{ name: "cut", state: "failed" }])
    expect(isAlive(qemu)).toBe(false)
    await home.must(["rm", "cut"])
    expect(leftovers()).toEqual([])
  })
})

describe("a command in a machine of its own", () => {
  it("gives only its output and its exit code, and leaves no machine", async () => {
    const { code, stdout } = await home.stereo(["run", "--", "sh", "-c", "echo out; exit 3"])
    expect({ code, stdout }).toEqual({ code: 3, stdout: "out\n" })
    expect(leftovers()).toEqual([])
  })

  it("takes its machine with it when it is killed", async () => {
    const child = home.start(["run", "--name", "gone", "--", "sleep", "100"])
    const qemu = await untilStarted("gone")
    child.kill("SIGKILL")
    while (isAlive(qemu)) await delay(20)
    expect(await home.json(["ls"])).toEqual([])
    expect(leftovers()).toEqual([])
  })
})

function qemuOf(name: string) {
  const text = readFileSync(machineLayout(homeLayout(home.root), name).record, "utf8")
  const { qemu } = machineRecord.parse(JSON.parse(text))
  if (qemu === null) throw new Error(`${name} has no QEMU`)
  return qemu
}

/** QEMU, as soon as the record names it. */
async function untilStarted(name: string) {
  const { record } = machineLayout(homeLayout(home.root), name)
  while (!existsSync(record) || machineRecord.parse(JSON.parse(readFileSync(record, "utf8"))).qemu === null) {
    await delay(50)
  }
  return qemuOf(name)
}

function leftovers(): string[] {
  return readdirSync(join(home.root, "machines"))
}
