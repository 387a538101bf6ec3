/** Times as people write them on a command line: `90s`, `15m`, `1h`, `2d`. */

import { InvalidArgumentError } from "commander"

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Seconds. For commander, which adds the option's name to what is wrong. */
export function parseDuration(text: string): number {
  const parts = /^(\d{1,6})([smhd])$/.exec(text)
  const seconds = Number(parts?.[1]) * (SECONDS[parts?.[2] ?? ""] ?? 0)
  if (seconds > 0) return seconds
  throw new InvalidArgumentError("expected a time such as 90s, 15m, 1h or 2d.")
}

export function parseWhole(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new InvalidArgumentError("expected a whole number.")
}

/** `GET,HEAD` as a list, in upper case. */
export function parseMethods(text: string): readonly string[] {
  return text.split(",").map((word) => word.trim().toUpperCase())
}
