/** A terminal for a test's program, with util-linux's `script` at the other end. */

import { spawn } from "node:child_process"
import { once } from "node:events"
import { stripVTControlCharacters } from "node:util"
import { expect } from "vitest"

const CTRL_C = String.fromCharCode(3)

export interface Terminal extends AsyncDisposable {
  /** All that it has shown, as written. */
  raw(): string
  /** The same, without what steers a terminal. */
  text(): string
  shows(wanted: string): Promise<string>
  /** Types a line and gives what is shown until the next prompt, or until `wanted`. */
  type(line: string, wanted?: string): Promise<string>
  press(key: string): Promise<string>
  readonly ended: Promise<number | null>
}

export interface TerminalOptions {
  readonly environment?: NodeJS.ProcessEnv
  /** What the program shows when it waits for a line. */
  readonly prompt?: string
}

/**
 * Runs a line of a shell's on the terminal. Its input stays open until the line has ended: at the end of its own
 * input, `script` types a NUL, which the terminal shows as `^@` in the midst of what the program says.
 */
export function openTerminal(line: string, { environment = {}, prompt = "$ " }: TerminalOptions): Terminal {
  const env = { ...process.env, TERM: "xterm", ...environment }
  const child = spawn("script", ["-qec", line, "/dev/null"], { env, stdio: ["pipe", "pipe", "inherit"] })
  const ended = once(child, "close").then(([code]) => code as number | null)
  let shown = ""
  let seen = 0
  child.stdout.on("data", (chunk: Buffer) => {
    shown += chunk.toString()
  })
  const text = () => stripVTControlCharacters(shown).replaceAll("\r", "")
  const shows = async (wanted: string) => {
    await expect.poll(() => text().slice(seen), { timeout: 60_000 }).toContain(wanted)
    const from = text().slice(seen)
    const end = from.indexOf(wanted) + wanted.length
    seen += end
    return from.slice(0, end)
  }
  const press = async (keys: string, wanted = prompt) => {
    child.stdin.write(keys)
    return (await shows(wanted)).replace(prompt, "")
  }
  return {
    ...{ raw: () => shown, text, shows, ended },
    press: (key) => press(key),
    type: (typed, wanted) => press(typed.endsWith(CTRL_C) ? typed : `${typed}\n`, wanted),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL")
      await ended
    },
  }
}
