import { readdirSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"
import { openTerminal } from "../cli/terminal.ts"
import { openTestHome, projectDir } from "./test-home.ts"

const PROMPT = "base:/# "
const CTRL_C = String.fromCharCode(3)

it("`stereo build --shell` at a terminal is a shell to work in: Ctrl-C is for what runs there, and its exit code comes through", async () => {
  await using home = openTestHome("")
  const stereo = join(projectDir, "stereo")
  await using terminal = openTerminal(`stty rows 33 cols 99; exec '${stereo}' build base --shell`, {
    environment: { STEREO_HOME: home.root },
    prompt: PROMPT,
  })
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
