/** The units that systemd may start: every file and link of the folders that it reads, and one digest over them. */

import { createHash } from "node:crypto"

/** Where systemd looks for units of the machine (systemd.unit(5)); in an image most of them are not there. */
export const UNIT_FOLDERS = [
  "/etc/systemd/system.control",
  "/run/systemd/system.control",
  "/run/systemd/transient",
  "/run/systemd/generator.early",
  "/etc/systemd/system",
  "/etc/systemd/system.attached",
  "/run/systemd/system",
  "/run/systemd/system.attached",
  "/run/systemd/generator",
  "/usr/local/lib/systemd/system",
  "/usr/lib/systemd/system",
  "/run/systemd/generator.late",
] as const

export interface UnitEntry {
  /** Absolute. */
  readonly path: string
  /** `other`: a device, a socket, a pipe; no image has one there. */
  readonly kind: "file" | "link" | "other"
  /** A file's sha256, a link's target, and nothing of another. */
  readonly content: string
  /** Permission bits as four octal digits; a link's say nothing and are `0777`. */
  readonly mode: string
}

/** One line an entry, sorted by path; the same units give the same text on every machine. */
export function renderUnitSet(entries: readonly UnitEntry[]): string {
  const lines = entries.map(({ path, kind, content, mode }) => JSON.stringify({ path, kind, content, mode }))
  return lines.length === 0 ? "[]\n" : `[\n${lines.sort().join(",\n")}\n]\n`
}

/** The digest that a manifest promises: of the text, and so of an image's `units.json` as it lies. */
export function digestUnitSet(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}
