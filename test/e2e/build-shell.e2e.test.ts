import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { expect, it } from "vitest"
import { openTestHome, projectDir } from "./test-home.ts"

const PROMPT = "base:/# "
const CTRL_C = String.fromCharCode(3)

it("`stereo build --shell` at a terminal is a shell to work in: Ctrl-C is for what runs there, and its exit code comes through", async () => {
  await using home = openTestHome("")
  const stereo = join(projectDir, "stereo")
  await using terminal = openTerminal(`stty rows 33 cols 99; exec '${stereo}' build base --shell`, home.root)
  await terminal.shows(PROMPT)
  expect(terminal.text()).toContain("the sealed tree of base\nin a copy that goes with this shell")

  const facts = "test -t 0 && test -t 1 && echo a terminal; sleep 0; echo $LINES $COLUMNS $UID $HOSTNAME"
  expect(await terminal.type(facts)).toContain("\na terminal\n33 99 0 base-tree\n")
  expect(await terminal.type("tail -n +3 /proc/net/dev | cut -d: -f1")).toMatch(/\n +lo\n$/)

  await terminal.type("echo begun; sleep 100; echo slept on", "\nbegun\n")
  expect(await terminal.press(CTRL_C)).not.toContain("slept on")
  // at the prompt nothing runs: neither the shell nor the program around it ends
  expect(await terminal.type(`echo ended with $?${CTRL_C}`)).not.toContain("\nended")
  expect(await terminal.type("sleep 100 & jobs")).toMatch(/Running +sleep 100/)

  await terminal.type("exit 7", "exit\n")
  expect(await terminal.ended).toBe(7)
  expect(readdirSync(join(home.root, "cache", "shells"))).toEqual([])
})

interface Terminal extends AsyncDisposable {
  /** What it has shown, without what steers it. */
  text(): string
  shows(wanted: string): Promise<string>
  /** Types a line and gives what is shown until the next prompt, or until `wanted`. */
  type(line: string, wanted?: string): Promise<string>
  press(key: string): Promise<string>
  readonly ended: Promise<number | null>
}

/** Runs a line of a shell's on a terminal of its own, with util-linux's `script` at the other end. */
function openTerminal(line: string, root: string): Terminal {
  const env = { ...process.env, STEREO_HOME: root, TERM: "xterm" }
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
  const press = async (keys: string, wanted = PROMPT) => {
    child.stdin.write(keys)
    return (await shows(wanted)).replace(PROMPT, "")
  }
  return {
    ...{ text, shows, ended },
    press: (key) => press(key),
    type: (typed, wanted) => press(typed.endsWith(CTRL_C) ? typed : `${typed}\n`, wanted),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL")
      await ended
    },
  }
}
