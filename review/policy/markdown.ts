/** Text of a file as Markdown that shows it and does nothing else. Pure. */

import { manyLines, oneLine } from "./plain-text.ts"

/** An address in it is text and no link. */
export function prose(text: string): string {
  return oneLine(text).replace(/[\\`*_{}[\]<>#|~&@]|:(?=\/\/)/g, "\\$&")
}

/** A code span, longer than any row of backticks in it. */
export function code(text: string): string {
  const line = oneLine(text)
  const fence = "`".repeat(longestRow(line) + 1)
  const space = line.startsWith("`") || line.endsWith("`") ? " " : ""
  return `${fence}${space}${line}${space}${fence}`
}

export function fenced(text: string, language: string): string {
  const fence = "`".repeat(Math.max(3, longestRow(text) + 1))
  return `${fence}${language}\n${manyLines(text.trimEnd())}\n${fence}`
}

function longestRow(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([row]) => row.length))
}
