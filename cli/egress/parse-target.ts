/** What the words on the command line mean that name an image, a machine, a card or one of an older revision. */

import { Fault } from "../../contract/fault.ts"

export type Target =
  /** An image or a machine, whichever there is. */
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "image" | "definition" | "machine"; readonly name: string }
  | { readonly kind: "card"; readonly file: string }
  | { readonly kind: "revision"; readonly revision: string; readonly of: RevisionTarget }

export type RevisionTarget =
  | { readonly kind: "definition"; readonly name: string }
  | { readonly kind: "card"; readonly file: string }

/** Fault: `review/bad-target`. */
export function parseTarget(text: string): Target {
  const colon = text.indexOf(":")
  if (colon === -1) return isCard(text) ? { kind: "card", file: text } : { kind: "name", name: text }
  const before = text.slice(0, colon)
  const after = text.slice(colon + 1)
  if (before === "" || after === "") throw badTarget(text, "a side of its colon is empty")
  if (before === "image" || before === "definition" || before === "machine")
    return { kind: before, name: after }
  return { kind: "revision", revision: before, of: parseInRevision(text, after) }
}

function parseInRevision(text: string, path: string): RevisionTarget {
  if (!isCard(path)) return { kind: "definition", name: path }
  const file = path.replace(/^\.\//, "")
  const parts = file.split("/")
  if (file.startsWith("/") || parts.includes("..") || parts.includes("") || parts.includes(".git")) {
    throw badTarget(text, "a card in a revision is a path from the project's folder, without ..")
  }
  return { kind: "card", file }
}

function isCard(text: string): boolean {
  return text.endsWith(".toml")
}

function badTarget(text: string, reason: string): Fault {
  return new Fault("review/bad-target", `${JSON.stringify(text)} cannot be read: ${reason}`, {
    hint: "name an image, a machine, a card (jcard.toml), or one of a git revision (main:coder, HEAD~3:jcard.toml)",
  })
}
