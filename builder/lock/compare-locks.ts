/** What differs between two locks, and between a lock and the definition that it should fit. Pure. */

import type { ImageLock } from "../../contract/image-lock.ts"

export interface Move {
  readonly kind: "deb" | "npm"
  readonly name: string
  /** Null: added. */
  readonly from: string | null
  /** Null: removed. */
  readonly to: string | null
  /** The new package is one of the security suite's. */
  readonly security: boolean
}

/** By kind and name. */
export function listMoves(before: ImageLock | null, after: ImageLock): Move[] {
  const old = new Map(before === null ? [] : rowsOf(before).map((row) => [row.key, row]))
  const young = new Map(rowsOf(after).map((row) => [row.key, row]))
  const keys = [...new Set([...old.keys(), ...young.keys()])].sort()
  return keys.flatMap((key) => {
    const [from, to] = [old.get(key), young.get(key)]
    const either = from ?? to
    if (either === undefined || from?.digest === to?.digest) return []
    const { kind, name } = either
    return [
      { kind, name, from: from?.version ?? null, to: to?.version ?? null, security: to?.security ?? false },
    ]
  })
}

function rowsOf(lock: ImageLock) {
  const debs = lock.deb.map(({ name, version, sha256, suite }) => {
    return {
      kind: "deb" as const,
      key: `deb ${name}`,
      name,
      version,
      digest: sha256,
      security: suite.endsWith("-security"),
    }
  })
  const npms = lock.npm.map(({ name, version, integrity }) => {
    return { kind: "npm" as const, key: `npm ${name}`, name, version, digest: integrity, security: false }
  })
  return [...debs, ...npms]
}

/** What a definition asks for. */
export interface LockWants {
  readonly suite: string
  readonly root: readonly string[]
  readonly boot: readonly string[]
  readonly npm: readonly { readonly name: string; readonly version: string; readonly integrity: string }[]
}

/** Each difference as a phrase; none: the lock fits. */
export function listMisfits(lock: ImageLock, wants: LockWants): string[] {
  const npmText = ({ name, version, integrity }: LockWants["npm"][number]) =>
    `${name} ${version} ${integrity}`
  return [
    ...(lock.suite === wants.suite ? [] : [`the suite is ${wants.suite}, locked is ${lock.suite}`]),
    ...compareNames("[debian] packages", lock.root, wants.root),
    ...compareNames("[boot] packages", lock.boot, wants.boot),
    ...compareNames("[[npm]]", lock.npm.map(npmText), wants.npm.map(npmText)),
  ]
}

function compareNames(where: string, locked: readonly string[], wanted: readonly string[]): string[] {
  return [
    ...wanted.filter((one) => !locked.includes(one)).map((one) => `${where} has ${one}, the lock does not`),
    ...locked.filter((one) => !wanted.includes(one)).map((one) => `the lock has ${one}, ${where} does not`),
  ]
}
