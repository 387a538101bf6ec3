import { join } from "node:path"
import { PassThrough } from "node:stream"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { terminalProgress } from "../../cli/progress.ts"
import { projectDir } from "../rules/sources.ts"
import { openTerminal } from "./terminal.ts"

describe("progress off a terminal", () => {
  beforeEach(() => void vi.useFakeTimers())
  afterEach(() => void vi.useRealTimers())

  it("says nothing of a step that ends at once", async () => {
    const { progress, text } = open()
    expect(await progress.step("Short", async () => 7)).toBe(7)
    expect(text()).toBe("")
  })

  it("names a step after two seconds and says with its last note how it ended", async () => {
    const { progress, text } = open()
    const work = Promise.withResolvers<void>()
    const step = progress.step("Long", (note) => {
      note("half way")
      return work.promise
    })
    await vi.advanceTimersByTimeAsync(2500)
    expect(text()).toBe("Long: half way …\n")
    work.resolve()
    await step
    expect(text()).toBe("Long: half way …\ndone: Long: half way (2.5 s)\n")
  })

  it.each([
    ["that has no columns", { columns: 0 }, {}],
    ["that cannot move its cursor", { columns: 80 }, { TERM: "dumb" }],
    ["that is a log of CI", { columns: 80 }, { CI: "true" }],
  ])("writes lines to a terminal %s", async (_what, { columns }, environment) => {
    const { progress, text } = open({ isTTY: true, columns }, environment)
    const work = Promise.withResolvers<void>()
    const step = progress.step("Long", () => work.promise)
    await vi.advanceTimersByTimeAsync(2500)
    work.resolve()
    await step
    expect(text()).toBe("Long …\ndone: Long (2.5 s)\n")
  })

  it("says of what failed that it failed, and of what ended with it that it ended", async () => {
    const { progress, text } = open()
    const gate = Promise.withResolvers<void>()
    const thrown = new Error("no")
    const steps = ["Gate", "Disk"].map((title) => progress.step(title, () => gate.promise))
    await vi.advanceTimersByTimeAsync(2500)
    gate.reject(thrown)
    await Promise.allSettled(steps)
    expect(text()).toBe("Gate …\nDisk …\nfailed: Gate (2.5 s)\nended: Disk (2.5 s)\n")
  })

  it("passes a failure on", async () => {
    const { progress, text } = open()
    await expect(progress.step("Wrong", () => Promise.reject(new Error("no")))).rejects.toThrow("no")
    expect(text()).toBe("")
  })
})

function open(
  terminal: { readonly isTTY?: true; readonly columns?: number } = {},
  environment: Readonly<Record<string, string>> = {},
) {
  const stream = Object.assign(new PassThrough(), terminal)
  // a stream without isTTY, as a pipe is; the rest of WriteStream is not used off a terminal
  const progress = terminalProgress(stream as unknown as NodeJS.WriteStream, environment, Date.now)
  const said: string[] = []
  stream.on("data", (chunk) => said.push(String(chunk)))
  return { progress, text: () => said.join("") }
}

describe("progress on a terminal", () => {
  it("is a list of all steps with their times, what was cached, what was waited for, and what failed", async () => {
    const program = `stty cols 100; exec ${process.execPath} ${join(projectDir, "test/cli/draw-steps.ts")}`
    // ora draws nothing that turns where it takes itself to be in CI
    await using terminal = openTerminal(program, { environment: { CI: undefined } })
    await terminal.ended
    const shown = screenAfter(terminal.raw()).map((line) => line.replace(/ +\d+\.\d s$/, " N s"))
    expect(shown.filter((line) => line !== "")).toEqual([
      "✔ plan: base N s",
      `✔ ${"rootfs: the root's Debian packages".padEnd(60)}   cached`,
      "✔ build lock: waiting for the build of process 7 N s",
      "✔ describe: bills N s",
      "✔ gates: rights N s",
      "✔ artifact: root N s",
      "✖ seal: pruned N s",
      "no",
    ])
    // steps that run side by side stand below each other
    expect(terminal.text()).toMatch(
      /. gates: rights 0\.\d s\n {2}artifact: root 0\.\d s\n {2}describe: bills 0\.\d s/,
    )
    // the step that ran showed its seconds meanwhile
    expect(terminal.text()).toMatch(/waiting for the build of process 7 1\.\d s/)
  })
})

/** What a terminal shows at the end: text, returns, and the three movements with which ora erases. */
function screenAfter(written: string): string[] {
  const lines = [""]
  let row = 0
  let column = 0
  const csi = String.fromCharCode(27)
  for (const [token] of written.matchAll(
    new RegExp(`${csi}\\[[\\d;?]*[A-Za-z]|\\r|\\n|[^${csi}\\r\\n]+`, "g"),
  )) {
    const count = Number(/\d+/.exec(token)?.[0] ?? 1)
    const line = lines[row] ?? ""
    if (token === "\r") column = 0
    else if (token === "\n") row += 1
    else if (token.endsWith("A") && token.startsWith(csi)) row -= count
    else if (token.endsWith("G") && token.startsWith(csi)) column = count - 1
    else if (token.endsWith("K") && token.startsWith(csi)) lines[row] = line.slice(0, column)
    else if (!token.startsWith(csi)) {
      lines[row] = line.slice(0, column).padEnd(column) + token + line.slice(column + token.length)
      column += token.length
    }
  }
  return lines
}
