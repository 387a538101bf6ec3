import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, vi } from "vitest"
import { quoteCommand } from "../../builder/quote-command.ts"
import { run } from "../../builder/run.ts"
import { openFolder } from "./project-folder.ts"

describe("run", () => {
  it("gives standard output and logs the command with what it printed", async () => {
    using folder = openFolder()
    const logFile = join(folder.dir, "log")
    const signal = new AbortController().signal
    const request = {
      command: ["sh", "-c", "echo out; echo err >&2"],
      purpose: "a test",
      logFile,
      signal,
    } as const
    expect(await run(request)).toBe("out")
    const log = readFileSync(logFile, "utf8")
    expect(log).toContain("$ sh -c 'echo out; echo err >&2'\n")
    expect(log).toContain("err")
  })

  it("logs a command while it runs, and names it again where another's output came in between", async () => {
    using folder = openFolder()
    const logFile = join(folder.dir, "log")
    const base = { purpose: "a test", logFile, signal: new AbortController().signal }
    const gate = join(folder.dir, "gate")
    const slow = ["sh", "-c", `while [ ! -e ${gate} ]; do sleep 0.05; done; echo slow`] as const
    const running = run({ ...base, command: slow })
    await vi.waitFor(() => expect(readFileSync(logFile, "utf8")).toContain("echo slow"))
    await run({ ...base, command: ["echo", "quick"] })
    await run({ ...base, command: ["touch", gate] })
    await running
    const lines = readFileSync(logFile, "utf8").split("\n")
    const started = lines[0] ?? ""
    expect(started).toMatch(/^\$ sh -c .*echo slow/)
    expect(lines).toEqual([
      ...[started, "$ echo quick", "quick", `$ touch ${gate}`, ""],
      ...[`${started} (began above)`, "slow", ""],
    ])
  })

  it("shows the last lines of a command that failed, and where the rest is", async () => {
    using folder = openFolder()
    const request = {
      command: ["sh", "-c", "seq 1 100; exit 3"],
      purpose: "the root file system",
      logFile: join(folder.dir, "log"),
      signal: new AbortController().signal,
    } as const
    await expect(run(request)).rejects.toMatchObject({
      code: "build/command-failed",
      message: expect.stringMatching(/^the root file system: sh ended with code 3\n {4}86\n[\s\S]* {4}100$/),
      hint: `the whole output is in ${join(folder.dir, "log")}`,
    })
  })

  it("names the package when a program is not installed", async () => {
    using folder = openFolder()
    const request = {
      command: ["stereo-no-such-program"],
      purpose: "a test",
      logFile: join(folder.dir, "log"),
      signal: new AbortController().signal,
    } as const
    await expect(run(request)).rejects.toMatchObject({
      code: "build/command-missing",
      message: "a test: stereo-no-such-program is not installed",
    })
  })

  it("ends the command when the caller gives up", async () => {
    using folder = openFolder()
    const signal = AbortSignal.timeout(200)
    const request = {
      command: ["sleep", "60"],
      purpose: "a test",
      logFile: join(folder.dir, "log"),
      signal,
    } as const
    await expect(run(request)).rejects.toMatchObject({ name: "TimeoutError" })
  })

  it("ends what the command has started, too, and waits for none of it", async () => {
    using folder = openFolder()
    const file = join(folder.dir, "pid")
    const giveUp = new AbortController()
    const running = run({
      command: ["sh", "-c", `sleep 600 & echo $! >${file}; wait`],
      purpose: "a test",
      logFile: join(folder.dir, "log"),
      signal: giveUp.signal,
    })
    const refused = expect(running).rejects.toThrow("enough")
    await vi.waitFor(() => expect(readFileSync(file, "utf8")).toMatch(/^\d+\n$/), { timeout: 20_000 })
    giveUp.abort(new Error("enough"))
    await refused
    const state = `/proc/${readFileSync(file, "utf8").trim()}/stat`
    await vi.waitFor(() => expect(existsSync(state) && !/ Z /.test(readFileSync(state, "utf8"))).toBe(false))
  })

  it("ends the command when the build itself is killed", async () => {
    using folder = openFolder()
    const file = join(folder.dir, "pid")
    const script = join(import.meta.dirname, "run-forever.ts")
    const builder = spawn(process.execPath, [script, file], { stdio: "inherit" })
    await vi.waitFor(() => expect(readFileSync(file, "utf8")).toMatch(/^\d+\n$/), { timeout: 20_000 })
    const pid = readFileSync(file, "utf8").trim()
    expect(existsSync(`/proc/${pid}`)).toBe(true)
    builder.kill("SIGKILL")
    await vi.waitFor(() => expect(existsSync(`/proc/${pid}`)).toBe(false), { timeout: 20_000 })
  })

  it("quotes a command so that a shell reads the same words back", async () => {
    using folder = openFolder()
    const words = ["printf", "%s|", "a b", "it's", "$HOME", "", "plain/path.1", "new\nline"] as const
    const request = {
      purpose: "a test",
      logFile: join(folder.dir, "log"),
      signal: new AbortController().signal,
    }
    const direct = await run({ ...request, command: words })
    expect(await run({ ...request, command: ["sh", "-c", quoteCommand(words)] })).toBe(direct)
  })
})
