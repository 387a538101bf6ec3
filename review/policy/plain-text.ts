/** Makes text of a file safe to show: nothing in it may steer a terminal or reorder what a reviewer reads. Pure. */

/** Controls, marks of direction and other invisible characters are spelled out; line breaks and tabs become a space. */
export function oneLine(text: string): string {
  return visible(text.replace(/\s+/g, " "))
}

/** The same for a text of several lines. */
export function manyLines(text: string): string {
  return text
    .split("\n")
    .map((line) => visible(line.replaceAll("\t", "  ")))
    .join("\n")
}

function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, (one) => {
    return `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`
  })
}
