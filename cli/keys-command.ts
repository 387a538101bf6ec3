/** `stereo keys ls|show|trust|distrust|new`: whose signatures count for images, and which key signs here. */

import type { Command } from "commander"
import { jsonText } from "../contract/json-text.ts"
import type { PublicKey } from "../trust/public-key.ts"
import type { CliContext } from "./context.ts"
import { distrust, makeNew, type ShownKey, trustFile } from "./keys/change-keys.ts"
import { findKey } from "./keys/find-key.ts"
import { printTable } from "./print-table.ts"

const HELP = `
An image starts a machine only if a key that stands here signed it. The home's own key is made at the first build.

Examples:
  $ stereo keys
  $ stereo keys show own > own.pub
  $ stereo keys trust ci.pub`

interface Options {
  readonly json?: boolean
}

export function addKeysCommand(program: Command, context: CliContext): void {
  const keys = program
    .command("keys")
    .description("list and change the keys whose signatures count for images")
    .addHelpText("after", HELP)
  addReading(keys, context)
  keys
    .command("trust")
    .description("let the signatures of a key count")
    .argument("<file>", "an Ed25519 public key in PEM")
    .option("--name <name>", "what to call it (default: the file's name)")
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo keys trust ci.pub")
    .action(async (file: string, options: Options & { name?: string }) => {
      const shown = await trustFile(context.home, file, options.name)
      say(context, options, shown, `images signed by ${shown.name} (${shown.id}) are trusted now\n`)
    })
  keys
    .command("distrust")
    .description("let the signatures of a key count no more")
    .argument("<key>", "its name, or at least 8 digits of its id")
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo keys distrust ci")
    .action(async (key: string, options: Options) => {
      const shown = await distrust(context.home, key)
      say(context, options, shown, `images signed by ${shown.name} (${shown.id}) are trusted no more\n`)
    })
  keys
    .command("new")
    .description("make a new signing key for this home; images signed by the old one stay trusted")
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo keys new")
    .action(async (options: Options) => {
      const { made, former } = await makeNew(context.home, context.now())
      const kept =
        former === null
          ? ""
          : `the former one is trusted as ${former.name}; if it leaked: stereo keys distrust ${former.name}\n`
      const document = { ...made, former }
      context.print(
        options.json ? jsonText(document) : `builds are signed by ${made.id} from now on\n${kept}`,
      )
    })
}

function addReading(keys: Command, context: CliContext): void {
  keys
    .command("ls", { isDefault: true })
    .description("list the keys whose signatures count")
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo keys ls")
    .action(async (options: Options) => {
      const { readTrustedKeys } = await import("../trust/trusted-keys.ts")
      const trusted = await readTrustedKeys(context.home)
      context.print(options.json ? jsonText(trusted.map(toRow)) : renderList(trusted))
    })
  keys
    .command("show")
    .description("print a public key in PEM, for openssl and for other homes")
    .argument("<key>", "its name, or at least 8 digits of its id")
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo keys show own > own.pub")
    .action(async (key: string, options: Options) => {
      const { renderPublicKey } = await import("../trust/public-key.ts")
      const found = await findKey(context.home, key)
      const pem = renderPublicKey(found)
      context.print(options.json ? jsonText({ ...toRow(found), pem }) : pem)
    })
}

function say(context: CliContext, { json }: Options, shown: ShownKey, text: string): void {
  context.print(json ? jsonText(shown) : text)
}

function toRow({ name, id }: PublicKey) {
  return { name, id, signsHere: name === "own" }
}

function renderList(keys: readonly PublicKey[]): string {
  if (keys.length === 0) {
    return "no key is trusted yet: the first `stereo build` makes one, `stereo keys trust FILE` adds another's\n"
  }
  return printTable(
    ["NAME", "ID", "SIGNS HERE"],
    keys.map(({ name, id }) => [name, id.slice(0, 16), name === "own" ? "yes" : "–"]),
  )
}
