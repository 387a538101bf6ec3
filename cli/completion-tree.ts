/** The command tree as completion needs it: per command its words, and where names of machines and images stand. */

import type { Argument, Command, Option } from "commander"
import type { NameKind } from "./render-names.ts"

/** What may stand at a place: names that stereo knows, files, or one of fixed words. */
export type Completed =
  | { readonly kind: NameKind | "files" | "nothing" }
  | { readonly kind: "words"; readonly words: readonly string[] }

export interface CompletionOption {
  /** `--image` and, if it has one, `-i`. */
  readonly flags: readonly string[]
  readonly description: string
  /** Null: it takes no value. */
  readonly value: Completed | null
}

export interface CompletionNode {
  /** The words that lead to it; empty for the program itself. */
  readonly path: readonly string[]
  readonly description: string
  readonly commands: readonly string[]
  readonly options: readonly CompletionOption[]
  /** What its arguments are. */
  readonly argument: Completed
}

export function describeCommands(program: Command): readonly CompletionNode[] {
  return describe(program, [])
}

function describe(command: Command, path: readonly string[]): CompletionNode[] {
  const node: CompletionNode = {
    path,
    description: command.description(),
    commands: command.commands.map((one) => one.name()),
    options: [...command.options.map(describeOption), HELP],
    argument: describeArgument(command),
  }
  return [node, ...command.commands.flatMap((one) => describe(one, [...path, one.name()]))]
}

const HELP: CompletionOption = { flags: ["--help", "-h"], description: "show the usage", value: null }

function describeOption(option: Option): CompletionOption {
  const flags = [option.long, option.short].filter((flag) => flag !== undefined && flag !== null)
  const takesValue = option.required || option.optional
  const value = completed(option, [option.name(), placeholderOf(option)])
  return { flags, description: option.description, value: takesValue ? value : null }
}

function describeArgument(command: Command): Completed {
  const first = command.registeredArguments[0]
  if (first === undefined) return { kind: "nothing" }
  return completed(first, [first.name()])
}

/** By its choices, or by what its description says stands there, or by the first of its names that says it. */
function completed({ argChoices, description }: Argument | Option, names: readonly string[]): Completed {
  if (argChoices) return { kind: "words", words: argChoices }
  const described = DESCRIBED.find(({ text }) => text.test(description))
  return described ? { kind: described.kind } : byName(names)
}

/** An `image` is a definition for some commands and a built one for others: the description tells. */
const DESCRIBED: readonly { readonly text: RegExp; readonly kind: NameKind }[] = [
  { text: /^a folder of images\/profiles/, kind: "profiles" },
  { text: /\bfolders? of images\/.*tools/, kind: "locks" },
  { text: /\bfolder of images\//, kind: "definitions" },
  { text: /^a name, a digest/, kind: "images" },
  { text: /^its name, or at least 8 digits of its id/, kind: "keys" },
  { text: /^an image, a machine|^a machine .*image/, kind: "targets" },
]

/** `file` of `--key <file>`. */
function placeholderOf({ flags }: Option): string {
  return /[<[]([\w-]+)/.exec(flags)?.[1] ?? ""
}

/** By the first of the names that says what stands there. */
function byName(names: readonly string[]): Completed {
  if (names.some((name) => /^machines?$/.test(name))) return { kind: "machines" }
  if (names.some((name) => /^images?$/.test(name))) return { kind: "images" }
  const isFile = names.some((name) => /^(card|file|path|dir|folder|socket|output)$/.test(name))
  return { kind: isFile ? "files" : "nothing" }
}
