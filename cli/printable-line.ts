/** Makes text that a guest or a provider wrote safe to print: one line, no control characters, bounded. */

export function printableLine(text: string, maxLength: number): string {
  const line = text.replace(/\s+/g, " ").replace(/[^\x20-\x7e\xa0-\u{10ffff}]|\p{Cf}/gu, "?")
  return line.length <= maxLength ? line : `${line.slice(0, maxLength - 1)}…`
}
