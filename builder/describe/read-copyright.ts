/** The licences that a Debian copyright file names, where it is in the form that machines read (DEP-5). */

import { parseControl } from "../debian-control.ts"

/** Each name once, in the file's order; none when the file is prose. */
export function readCopyrightLicenses(text: string): string[] {
  const [head = "", ...paragraphs] = text.replaceAll("\r\n", "\n").split(/\n(?:[ \t]*\n)+/)
  if (!/copyright-format|\bdep5\b|\bdep-5\b/i.test(fieldOf(head, "format") ?? "")) return []
  const names = [head, ...paragraphs]
    // a paragraph without files only gives the text of a licence that others name
    .filter((paragraph, index) => index === 0 || fieldOf(paragraph, "files") !== undefined)
    .flatMap((paragraph) => fieldOf(paragraph, "license")?.split("\n")[0] ?? [])
    .map((name) => name.trim())
    .filter((name) => name !== "")
  return [...new Set(names)]
}

/** Names of fields are the same in whatever case. */
function fieldOf(paragraph: string, name: string): string | undefined {
  for (const [key, value] of parseControl(paragraph)) {
    if (key.toLowerCase() === name) return value
  }
  return undefined
}
