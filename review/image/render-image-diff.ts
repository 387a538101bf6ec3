/** Prints what two images differ in: a part for each kind of thing, long lists of files folded. */

import type { Change, FileChange, ImageDiff } from "./image-view.ts"

export interface RenderRequest {
  readonly diff: ImageDiff
  /** What the comparison of what may leave says, as text. */
  readonly egress: string
  /** Every file by name, instead of a line for each origin that has more than FOLDED. */
  readonly allFiles: boolean
}

const FOLDED = 8

export function renderImageDiff({ diff, egress, allFiles }: RenderRequest): string {
  const { before, after } = diff
  if (before.digest === after.digest) {
    return `${before.target} and ${after.target} are the same image, ${before.digest.slice(0, 12)}\n`
  }
  const title = `${before.target} (${before.digest.slice(0, 12)}) → ${after.target} (${after.digest.slice(0, 12)})`
  const parts: readonly [name: string, lines: readonly string[]][] = [
    ["settings", diff.settings.map(renderChange)],
    ["packages", diff.packages.map(renderChange)],
    ["units", diff.units.map(renderChange)],
    ["sysctls", diff.sysctls.map(renderChange)],
    ["kernel command line", diff.kernelOptions.map(renderChange)],
    ["users and groups", diff.users.map(renderChange)],
    ["environment", diff.environment.map(renderChange)],
    ["files", allFiles ? diff.files.map(renderChange) : foldFiles(diff.files)],
    ["sizes in bytes", diff.sizes.map(renderSize)],
  ]
  const same = parts.filter(([, lines]) => lines.length === 0).map(([name]) => name)
  const sections = parts
    .filter(([, lines]) => lines.length > 0)
    .map(([name, lines]) => `${name}\n${lines.map((line) => `  ${line}\n`).join("")}`)
  return [
    `${title}\n`,
    ...sections,
    `egress\n${egress.trimEnd().replace(/^(?=.)/gm, "  ")}\n`,
    ...(same.length === 0 ? [] : [`the same in both: ${same.join(", ")}\n`]),
  ].join("\n")
}

function renderChange({ what, before, after }: Change): string {
  if (before === undefined) return `+ ${what} ${after}`
  if (after === undefined) return `- ${what} ${before}`
  return `~ ${what} ${before} → ${after}`
}

function renderSize(change: Change): string {
  const growth = Number(change.after ?? 0) - Number(change.before ?? 0)
  return `${renderChange(change)} (${signed(growth)})`
}

/** What a package brings or takes away is one line when it is much. */
function foldFiles(files: readonly FileChange[]): string[] {
  const origins = [...new Set(files.map(({ origin }) => origin))].sort()
  return origins.flatMap((origin) => {
    const own = files.filter((file) => file.origin === origin)
    if (own.length <= FOLDED) return own.map((file) => `${renderChange(file)} [${origin}]`)
    const count = (kept: (file: FileChange) => boolean) => own.filter(kept).length
    const counts = [
      [count(({ before }) => before === undefined), "new"],
      [count(({ after }) => after === undefined), "gone"],
      [count(({ before, after }) => before !== undefined && after !== undefined), "changed"],
    ].flatMap(([many, word]) => (many === 0 ? [] : [`${many} ${word}`]))
    const growth = own.reduce((sum, { growthBytes }) => sum + growthBytes, 0)
    return [`… ${origin}: ${counts.join(", ")}, ${signed(growth)} bytes (--files lists them)`]
  })
}

function signed(bytes: number): string {
  return bytes < 0 ? String(bytes) : `+${bytes}`
}
