/** What a card gives: its image's parts with the sets that it adds, as a start would put them together. */

import { readFile } from "node:fs/promises"
import { card } from "../../contract/card.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { parseToml } from "../../contract/toml.ts"
import type { ImageParts } from "./image-parts.ts"

export interface CardFile {
  /** Where it lies. */
  readonly file: string
  /** As it was named. */
  readonly shown: string
}

export async function readCardParts(
  { file, shown }: CardFile,
  readImageParts: (name: string) => Promise<ImageParts>,
): Promise<ImageParts> {
  const text = await readFile(file, "utf8").catch((thrown: unknown) => {
    throw new Fault("card/unreadable", `the card ${shown} cannot be read: ${reasonOf(thrown)}`, {
      hint: "give the path of a jcard.toml; its keys are in docs/definitions.md",
      cause: thrown,
    })
  })
  const parsed = parseToml({ text, file: shown, stage: "card" }, card)
  const image = await readImageParts(parsed.image ?? "base")
  const sets = [...new Set([...image.sets, ...parsed.egress.sets])]
  return { ...image, sets, readFrom: `the card ${shown} and ${image.readFrom}` }
}
