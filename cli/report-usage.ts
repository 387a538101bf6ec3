/** Says what is wrong with a command line, and which command's help has its usage. */

import type { Command } from "commander"

/** EX_USAGE of sysexits.h: told apart from a command that was understood and failed. */
const USAGE_EXIT_CODE = 64

/** `message` is commander's own, empty where help was printed instead. The answer is the exit code. */
export function reportUsage(program: Command, words: readonly string[], message: string): number {
  const [what, ...more] = message
    .replace(/^error: /, "")
    .trimEnd()
    .split("\n")
  const path = ["stereo", ...commandPath(program, words)].join(" ")
  const lines = [
    `stereo: cli/usage: ${describeUnknown(program, words) ?? what}`,
    ...more.map((line) => `  ${line}`),
  ]
  lines.push(`  hint: \`${path} --help\` shows the usage and an example`)
  process.stderr.write(`${lines.join("\n")}\n`)
  return USAGE_EXIT_CODE
}

/** A word in a command's place, which commander hands to the default command, or to the command itself, as an argument. */
function describeUnknown(program: Command, words: readonly string[]): string | null {
  const path = commandPath(program, words)
  const command = path.reduce((at, word) => at.commands.find((one) => one.name() === word) ?? at, program)
  const word = words[path.length]
  const takesNone = command.registeredArguments.length === 0 && command.commands.length > 0
  if (command === program || !takesNone || word === undefined || word.startsWith("-")) return null
  const names = command.commands.map((one) => one.name()).join(", ")
  return `unknown command '${word}' of ${path.join(" ")}; there are ${names}`
}

/** The words that lead to a command, as far as there is one. */
function commandPath(command: Command, words: readonly string[]): string[] {
  const [word, ...rest] = words
  const next = command.commands.find((one) => one.name() === word)
  return next && word !== undefined ? [word, ...commandPath(next, rest)] : []
}
