/** Figures with the facts of the machine they were measured on. */

import { readFileSync } from "node:fs"
import { arch, cpus, release, totalmem } from "node:os"

export interface Figure {
  readonly what: string
  readonly unit: "MB/s" | "s" | "ms" | "µs" | "MB" | "×" | "/s"
  readonly median: number
  readonly min: number
  readonly max: number
  /** How many were measured. */
  readonly count: number
}

/** The median, smallest and largest of some values. */
export function summarise(what: string, unit: Figure["unit"], values: readonly number[]): Figure {
  const sorted = [...values].sort((left, right) => left - right)
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN
  const upper = sorted[Math.ceil((sorted.length - 1) / 2)] ?? Number.NaN
  return { what, unit, median: (at(0.5) + upper) / 2, min: at(0), max: at(1), count: sorted.length }
}

export function readMachineFacts(): Readonly<Record<string, string>> {
  const debian = /PRETTY_NAME="([^"]+)"/.exec(readFileSync("/etc/os-release", "utf8"))?.[1]
  return {
    processor: `${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${debian ?? "unknown"}, kernel ${release()}, ${arch()}`,
    runtime: `Node ${process.version}`,
  }
}

export function renderFigures(facts: Readonly<Record<string, string>>, figures: readonly Figure[]): string {
  const head = Object.entries(facts).map(([name, value]) => `${name.padEnd(10)} ${value}`)
  const number = (value: number) => (value >= 100 ? value.toFixed(0) : value.toFixed(2)).padStart(9)
  const rows = figures.map(
    ({ what, unit, median, min, max, count }) =>
      `${what.padEnd(62)}${number(median)}${number(min)}${number(max)} ${unit.padEnd(4)} ${count}`,
  )
  const title = `${"".padEnd(62)}${"median".padStart(9)}${"min".padStart(9)}${"max".padStart(9)}      runs`
  return `${[...head, "", title, ...rows].join("\n")}\n`
}
