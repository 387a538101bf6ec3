/** Reads `jcard.toml`; whatever is wrong in it is reported with file, line and key. */

import { readFile } from "node:fs/promises"
import { type Card, card } from "../../contract/card.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { parseToml } from "../../contract/toml.ts"

/** The card at `path`, or the empty card where there is no path. */
export async function readCard(path: string | undefined): Promise<Card> {
  if (path === undefined) return card.parse({})
  const text = await readFile(path, "utf8").catch((thrown: unknown) => {
    throw new Fault("card/unreadable", `${path}: ${reasonOf(thrown)}`, {
      hint: "the last argument is the path of a jcard.toml; leave it out to run the image as it is",
      cause: thrown,
    })
  })
  return parseToml({ text, file: path, stage: "card" }, card)
}
