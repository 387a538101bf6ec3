/** In what two packet filters differ, rule by rule; whether that opens something is another question. Pure. */

import type { InnerWall } from "./egress-view.ts"

export type WallDiff =
  | { readonly kind: "same" }
  | {
      readonly kind: "different"
      readonly removed: readonly string[]
      readonly added: readonly string[]
      /** Only their order differs. */
      readonly orderOnly: boolean
    }
  | { readonly kind: "unknown"; readonly why: string }

export function compareWalls(before: InnerWall, after: InnerWall): WallDiff {
  if (before.kind === "unknown") return before
  if (after.kind === "unknown") return after
  if (before.canonical !== null && after.canonical !== null) {
    return compareLines(listRules(before.canonical), listRules(after.canonical))
  }
  if (before.text !== null && after.text !== null) {
    return compareLines(statements(before.text), statements(after.text))
  }
  return {
    kind: "unknown",
    why: "of one there is only its source, of the other only what a kernel made of it",
  }
}

/** A line an object, without the brackets around them. */
function listRules(canonical: string): string[] {
  return canonical
    .split("\n")
    .map((line) => line.replace(/,$/, ""))
    .filter((line) => line !== "" && line !== "]}" && !line.startsWith('{"nftables":'))
}

/** Lines that mean something, without indentation and without what stands for people only. */
function statements(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
}

function compareLines(before: readonly string[], after: readonly string[]): WallDiff {
  if (before.join("\n") === after.join("\n")) return { kind: "same" }
  const removed = without(before, after)
  const added = without(after, before)
  return { kind: "different", removed, added, orderOnly: removed.length + added.length === 0 }
}

/** Each line as often as it stands more often in the first. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = [...others]
  return lines.filter((line) => {
    const at = left.indexOf(line)
    if (at === -1) return true
    left.splice(at, 1)
    return false
  })
}
