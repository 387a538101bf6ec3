/** What is known of a built image before it is compared with another. */

import type { Inventory } from "../../contract/inventory.ts"
import type { Manifest } from "../../contract/manifest.ts"
import type { UnitEntry } from "../../contract/unit-set.ts"

export interface ImageView {
  /** As it was asked for. */
  readonly target: string
  readonly digest: string
  readonly manifest: Manifest
  readonly inventory: Inventory
  readonly units: readonly UnitEntry[]
  /** The text of these files in its root; null where it has none. */
  readonly texts: Readonly<Record<"passwd" | "group" | "sysctls", string | null>>
}

/** One thing that is not the same: absent `before`, it is new; absent `after`, it is gone. */
export interface Change {
  readonly what: string
  readonly before?: string
  readonly after?: string
}

export interface FileChange extends Change {
  /** What accounts for it: of the second, or of the first where it is gone. */
  readonly origin: string
  /** How many more bytes it has in the second. */
  readonly growthBytes: number
}

export interface ImageDiff {
  readonly before: Pick<ImageView, "target" | "digest">
  readonly after: Pick<ImageView, "target" | "digest">
  /** Profile, kernel's version, resources, budget. */
  readonly settings: readonly Change[]
  readonly packages: readonly Change[]
  readonly files: readonly FileChange[]
  readonly units: readonly Change[]
  readonly sysctls: readonly Change[]
  /** Words of the kernel's command line, without the root hash, which is another with each root. */
  readonly kernelOptions: readonly Change[]
  readonly users: readonly Change[]
  readonly environment: readonly Change[]
  /** Bytes of the artifact's files. */
  readonly sizes: readonly Change[]
}
