/** A plan: a definition with all that it inherits, flat, and everything it reads known by hash. */

import type { FileGate } from "../contract/file-gates.ts"
import type { SiteWall } from "../contract/site.ts"

/** Something that the builder itself puts into the root file system. */
export type PlannedEntry =
  | {
      readonly kind: "file"
      readonly path: string
      readonly mode: number
      readonly uid: number
      readonly gid: number
      readonly sha256: string
      /** Where its bytes come from: a file of the project, a template or a bundle. */
      readonly from: string
    }
  | { readonly kind: "link"; readonly path: string; readonly target: string; readonly from: string }
  | {
      readonly kind: "directory"
      readonly path: string
      readonly mode: number
      readonly uid: number
      readonly gid: number
      readonly from: string
    }

export interface PlannedNpm {
  readonly name: string
  readonly version: string
  readonly integrity: string
  readonly files: readonly {
    readonly from: string
    readonly to: string
    readonly mode: number
    readonly strip: boolean
  }[]
  /** The whole package as a folder. */
  readonly tree?: {
    readonly to: string
    /** Patterns of files that are not taken. */
    readonly leave: readonly string[]
    /** Files that are programs whatever the archive says. */
    readonly executable: readonly string[]
  }
}

export interface Reasoned<Item> {
  readonly items: readonly Item[]
  readonly why: string
}

export interface PlannedSysctl {
  /** Such as `kernel.dmesg_restrict`. */
  readonly key: string
  readonly value: string
  readonly why: string
  /** Who asks for it. */
  readonly source: string
}

/** How exposed services may be that are over what all others may be. */
export interface PlannedExposure {
  readonly units: readonly string[]
  /** In tenths. */
  readonly atMost: number
  readonly why: string
}

/** What the agent's sessions may use, each of them and all together. */
export interface PlannedSession {
  readonly memory: { readonly percent: number; readonly why: string }
  readonly tasks: { readonly max: number; readonly why: string }
  readonly cpu: { readonly weight: number; readonly why: string }
  readonly io: { readonly weight: number; readonly why: string }
  /** Null: none may be made. */
  readonly userNamespaces: { readonly max: number; readonly why: string } | null
}

export interface Plan {
  readonly schema: 1
  readonly name: string
  /** What of images/profiles lies over it. */
  readonly profile: string
  readonly description: string
  /** Where an image for a cloud finds its gateway, and from where its sshd takes connections. */
  readonly site?: SiteWall
  /** What lies over each other: strict, the images from the one that extends nothing to itself, the profile. */
  readonly lineage: readonly string[]
  readonly arch: "x86_64"
  readonly debian: { readonly suite: string; readonly packages: readonly string[] }
  readonly boot: { readonly packages: readonly string[] }
  readonly npm: readonly PlannedNpm[]
  readonly entries: readonly PlannedEntry[]
  readonly prune: readonly (Reasoned<string> & { readonly keep: readonly string[] })[]
  /** Patterns that no prune takes. */
  readonly keep: readonly Reasoned<string>[]
  /** Libraries kept although no file links them. */
  readonly libraries: readonly Reasoned<string>[]
  readonly root: { readonly compression: { readonly method: "lz4hc" | "zstd"; readonly why: string } }
  readonly kernel: {
    readonly modules: readonly (Reasoned<string> & { readonly forRoot: boolean })[]
    readonly options: readonly { readonly text: string; readonly why: string; readonly source: string }[]
  }
  /** Kernel settings that the initramfs makes; each key once. */
  readonly sysctls: readonly PlannedSysctl[]
  readonly session: PlannedSession
  /** What the build refuses, and what of it the definition lets through. */
  readonly gates: {
    readonly exposures: readonly PlannedExposure[]
    readonly exceptions: readonly {
      readonly gate: FileGate
      readonly paths: readonly string[]
      readonly why: string
    }[]
    readonly budget: Readonly<
      Partial<Record<"tree" | "root", { readonly mib: number; readonly why: string }>>
    >
  }
  readonly resources: { readonly cpus: number; readonly memoryMib: number; readonly diskMib: number }
  readonly egressSets: readonly string[]
  /** What one run of a machine may send unless its card says otherwise, in MiB. */
  readonly egressBudgetMib?: number
  readonly env: Readonly<Record<string, string>>
  /** Hashes of the builder's own sources by stage: other code may make another image. */
  readonly recipes: Readonly<
    Record<"rootfs" | "seal" | "gates" | "describe" | "measure" | "artifact", string>
  >
}
