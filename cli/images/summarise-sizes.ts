/** Where the bytes of an image are: by file of the artifact, by package, and the largest files of the root. Pure. */

import type { Inventory } from "../../contract/inventory.ts"
import type { Manifest } from "../../contract/manifest.ts"

export interface SizeSummary {
  /** Of all files of the artifact, as they lie on the disk, in bytes. */
  readonly sizeBytes: number
  readonly artifact: readonly { readonly name: string; readonly sizeBytes: number }[]
  /** All files of the root before compression, in bytes. */
  readonly rootBytes: number
  /** Size of the root disk, its hash tree included, as a part of `rootBytes`. */
  readonly ratio: number
  /** By what accounts for them, the largest first; sizes before compression. */
  readonly origins: readonly { readonly origin: string; readonly files: number; readonly sizeBytes: number }[]
  readonly largest: readonly { readonly path: string; readonly origin: string; readonly sizeBytes: number }[]
}

export function summariseSizes(manifest: Manifest, { entries }: Inventory, top: number): SizeSummary {
  const artifact = Object.values(manifest.files)
    .map(({ name, size_bytes }) => ({ name, sizeBytes: size_bytes }))
    .sort(bySize)
  const files = entries.flatMap((entry) => {
    return entry.kind === "file"
      ? [{ path: entry.path, origin: entry.origin, sizeBytes: entry.size_bytes }]
      : []
  })
  const origins = [...Map.groupBy(files, ({ origin }) => origin)].map(([origin, own]) => {
    return { origin, files: own.length, sizeBytes: sum(own) }
  })
  const rootBytes = sum(files)
  return {
    sizeBytes: sum(artifact),
    artifact,
    rootBytes,
    ratio: rootBytes === 0 ? 0 : manifest.files.root.size_bytes / rootBytes,
    origins: origins.sort(bySize),
    largest: files.sort(bySize).slice(0, top),
  }
}

function bySize(left: { readonly sizeBytes: number }, right: { readonly sizeBytes: number }): number {
  return right.sizeBytes - left.sizeBytes
}

function sum(parts: readonly { readonly sizeBytes: number }[]): number {
  return parts.reduce((total, { sizeBytes }) => total + sizeBytes, 0)
}
