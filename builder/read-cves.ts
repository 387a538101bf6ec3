/** Says of packages that moved which vulnerabilities their new versions close, as their own changelogs have it. */

import { mkdtemp, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { gunzipSync } from "node:zlib"
import type { ImageLock, LockedDeb } from "../contract/image-lock.ts"
import type { Move } from "./lock/compare-locks.ts"
import { listCves } from "./lock/list-cves.ts"
import { providePackages } from "./package-store.ts"
import { run } from "./run.ts"
import type { BuildContext, Runner } from "./stages.ts"
import { storePath } from "./store/content-store.ts"
import { debFile } from "./store/fetch-debs.ts"
import { readTree } from "./tree.ts"

export interface ToldMove extends Move {
  /** From the changelog in the new .deb, or in another one of the same source; null: none tells. */
  readonly cves: readonly string[] | null
}

const CHANGELOG = /^\/usr\/share\/doc\/[^/]+\/changelog(?:\.Debian(?:\.[a-z0-9]+)?)?\.gz$/

/** Fetches the new packages for it, as a build would do next. */
export async function readCves(
  moves: readonly Move[],
  lock: ImageLock,
  context: BuildContext,
  runner: Runner,
  note: (text: string) => void,
): Promise<ToldMove[]> {
  const updated = moves.filter(({ kind, from, to }) => kind === "deb" && from !== null && to !== null)
  const names = new Map(updated.map(({ name, from }) => [name, from ?? ""]))
  const debs = lock.deb.filter(({ name }) => names.has(name))
  const { suite, epoch } = lock
  await providePackages({ context, runner, suite, epoch, debs, npms: [], deep: true, note })
  const told = new Map<string, readonly string[]>()
  for (const deb of debs) {
    const cves = await readChangelog(deb, names.get(deb.name) ?? "", context, runner)
    if (cves !== null) told.set(sourceOf(deb), cves)
  }
  const byName = new Map(debs.map((deb) => [deb.name, told.get(sourceOf(deb)) ?? null]))
  return moves.map((move) => ({
    ...move,
    cves: move.kind === "deb" ? (byName.get(move.name) ?? null) : null,
  }))
}

/** Packages of one source lie in one folder of the pool. */
function sourceOf({ path }: LockedDeb): string {
  return dirname(path)
}

async function readChangelog(
  deb: LockedDeb,
  since: string,
  context: BuildContext,
  runner: Runner,
): Promise<string[] | null> {
  const dir = await mkdtemp(join(context.home.cache, "changelog-"))
  try {
    await run({
      ...runner,
      purpose: `the changelog of ${deb.name}`,
      cwd: dir,
      command: [
        "sh",
        "-c",
        'dpkg-deb --fsys-tarfile "$1" > tree.tar',
        "sh",
        storePath(context.home, debFile(deb)),
      ],
    })
    const tree = await readTree(join(dir, "tree.tar"), (path) => !CHANGELOG.test(path))
    const found = [...tree.values()].flatMap((entry) => {
      if (entry.kind !== "file" || !("bytes" in entry.content)) return []
      const cves = listCves(gunzipSync(entry.content.bytes).toString("utf8"), since)
      return cves === null ? [] : [cves]
    })
    return found.length === 0 ? null : [...new Set(found.flat())].sort()
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
