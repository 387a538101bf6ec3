/** A text as a word of HCL2 that Packer reads back as exactly that text. */

import { Fault } from "../../contract/fault.ts"

/** Control characters other than these are written by their number. */
const NAMED: Readonly<Record<string, string>> = {
  ...{ "\n": "\\n", "\r": "\\r", "\t": "\\t" },
  ...{ '"': '\\"', "\\": "\\\\" },
}

/**
 * With its quotation marks. Packer's plugins evaluate `{{` in HCL2's texts as templates of their own, some once and
 * some twice, so that no spelling of it means itself everywhere. Faults: `packer/odd-text` for one that holds it.
 */
export function quoteHcl(text: string): string {
  if (text.includes("{{")) {
    throw new Fault(
      "packer/odd-text",
      `${JSON.stringify(text)} holds {{, which Packer's plugins would evaluate`,
      {
        hint: "give the image, or the disk's file, another name",
      },
    )
  }
  // JavaScript's strings may hold half of a pair, which is no text at all in HCL2
  const escaped = text
    .toWellFormed()
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be escaped
    .replace(/[\x00-\x1f\x7f"\\\u2028\u2029]/g, escapeCharacter)
    .replace(/\$\{/g, "$$$${")
    .replace(/%\{/g, "%%{")
  return `"${escaped}"`
}

function escapeCharacter(character: string): string {
  return NAMED[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
}
