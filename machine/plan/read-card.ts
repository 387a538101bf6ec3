/** Reads `jcard.toml`; whatever is wrong in it is reported with file, line and key. */

import { readFile } from "node:fs/promises"
import { type Card, card } from "../../contract/card.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { parseToml } from "../../contract/toml.ts"

/** The card at `path`, or the empty card where there is no path. */
export async function readCard(path: string | undefined): Promise<Card> {
  if (path === undefined) return card.parse({})
  const text = await readFile(path, "utf8").catch((thrown: unknown) => {
    throw new Fault("card/unreadable", `the card ${path} cannot be read: ${describe(thrown)}`, {
      hint: "give the path of a jcard.toml, or no card at all to run an image as it is (--image NAME); its keys are in docs/definitions.md",
      cause: thrown,
    })
  })
  return parseToml({ text, file: path, stage: "card" }, card)
}

function describe(thrown: unknown): string {
  const code = thrown instanceof Error && "code" in thrown ? thrown.code : null
  if (code === "ENOENT") return "there is no such file"
  return code === "EISDIR" ? "it is a folder" : reasonOf(thrown)
}
