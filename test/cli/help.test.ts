import type { Command } from "commander"
import { describe, expect, it } from "vitest"
import { makeProgram } from "../../cli/make-program.ts"
import { homeLayout } from "../../contract/home.ts"
import { silentProgress } from "../../contract/progress.ts"
import { projectDir } from "../rules/sources.ts"
import { openCliHome } from "./run-stereo.ts"

const context = {
  ...{ home: homeLayout("/nowhere"), projectDir, environment: {}, progress: silentProgress },
  ...{ signal: new AbortController().signal, now: Date.now, print: () => undefined },
  exitWith: () => undefined,
}
const program = await makeProgram(context, [])

interface Entry {
  readonly path: string
  readonly command: Command
}

/** Each command that there is, so that none can be forgotten here. */
const COMMANDS = commandsOf(program, "stereo")

const SAYS_2_OR_3 = /exit codes?:?[^\n]* [23]\b/i

describe("the program", () => {
  it.each(program.commands.map((command) => command.name()))(
    "is made with %s alone where that is called",
    async (name) => {
      const made = await makeProgram(context, [name, "--help"])
      const names = made.commands.map((command) => command.name())
      expect(names).toEqual(name === "completion" ? program.commands.map((one) => one.name()) : [name])
    },
  )
})

describe("the help", () => {
  it("is checked of all commands", () => {
    expect(COMMANDS.length).toBeGreaterThan(50)
  })

  it.each(COMMANDS)(
    "of $path has an example of that very command, or of one below it",
    ({ path, command }) => {
      const own = examplesOf(command).filter((line) => line.includes(path))
      expect(own.length).toBeGreaterThan(0)
    },
  )

  it.each(COMMANDS)("of $path gives only examples that would be understood", ({ command }) => {
    expect(examplesOf(command).flatMap(callsIn).flatMap(listMistakes)).toEqual([])
  })

  it.each(COMMANDS)("of $path says in a line what it does, and what each option is for", ({ command }) => {
    expect(command.description()).toMatch(/^\S[^\n]+[^.\s]$/)
    const silent = command.options.filter(({ description }) => description === "").map(({ flags }) => flags)
    expect(silent).toEqual([])
  })

  it("of stereo itself names each command that says of itself that it ends with 2 or 3", () => {
    const saying = COMMANDS.filter(
      ({ command }) => command.commands.length === 0 && SAYS_2_OR_3.test(helpOf(command)),
    )
    const [, listed = ""] = helpOf(program).split(/\n {2}(?:2|64) {2,}/)
    const named = [...listed.matchAll(/`([a-z ]+)(?: --check)?`: /g)].map(([, name]) => `stereo ${name}`)
    expect([...new Set(named)].sort()).toEqual(saying.map(({ path }) => path).sort())
  })

  it("documents every exit code, and ends with 0", async () => {
    using home = openCliHome()
    const ran = await home.stereo("--help")
    expect(ran).toMatchObject({ code: 0, stderr: "" })
    for (const code of ["0", "1", "2", "3", "64", "125", "130"])
      expect(ran.stdout).toMatch(new RegExp(`^ {2}${code} {2,}`, "m"))
  })
})

function commandsOf(command: Command, path: string): Entry[] {
  const below = command.commands.flatMap((one) => commandsOf(one, `${path} ${one.name()}`))
  return [{ path, command }, ...below]
}

/** All of it, as it is printed. */
function helpOf(command: Command): string {
  let text = ""
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 400 })
  command.outputHelp()
  return text
}

function examplesOf(command: Command): string[] {
  const after = helpOf(command).split(/\nExamples?:\n/)[1] ?? ""
  return after.split("\n").filter((line) => line.startsWith("  $ "))
}

/** The words of each call of stereo in a line of a shell, without what is for a command inside a machine. */
function callsIn(line: string): string[][] {
  const plain = line.replace(/'[^']*'/g, "quoted").replace(/\s#.*$/, "")
  return [...plain.matchAll(/\bstereo ([^|&>()]*)/g)].map(([, words = ""]) => {
    return (words.split(/\s--(?:\s|$)/)[0] ?? "").trim().split(/\s+/)
  })
}

/** What a call names that is no command and no option of its command. */
function listMistakes(words: readonly string[]): string[] {
  let command = program
  const rest = [...words]
  for (const word of words) {
    const below = command.commands.find((one) => one.name() === word)
    if (!below) break
    command = below
    rest.shift()
  }
  const isGroup = command.commands.length > 0 && command.registeredArguments.length === 0
  const unknown = isGroup ? rest.filter((word) => !word.startsWith("-")).slice(0, 1) : []
  const flags = rest.map((word) => word.split("=")[0] ?? "").filter((word) => /^--?[a-z]/.test(word))
  const known = command.options.flatMap(({ long, short }) => [long, short])
  return [...unknown, ...flags.filter((flag) => !known.includes(flag))]
}
