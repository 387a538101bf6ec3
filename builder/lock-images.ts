/** `stereo lock`: makes the lock of an image anew where it does not fit or newer packages are asked for. */

import { Fault } from "../contract/fault.ts"
import { type ProfiledName, STRICT_PROFILE, storedName, TOOLS_NAME } from "../contract/image-name.ts"
import { openBuildLock } from "./build-lock.ts"
import { type LockWants, listMisfits, listMoves } from "./lock/compare-locks.ts"
import { lockPath, readLock, writeLock } from "./lock/lock-file.ts"
import { refuseOlder } from "./lock/refuse-older.ts"
import { lockWants, makeLock } from "./make-lock.ts"
import { readCves, type ToldMove } from "./read-cves.ts"
import { resolvePlan } from "./resolve-plan.ts"
import { toolsWants } from "./setup-tools.ts"
import { type BuildContext, openStages } from "./stages.ts"

export interface LockRequest {
  /** Take the newest packages although the lock fits. */
  readonly update: boolean
  /** Only say what would be: nothing is written, and without `update` nothing is asked of the network. */
  readonly check: boolean
}

export interface LockReport {
  readonly image: string
  /** Below the project. */
  readonly file: string
  /** Why the lock as it was does not fit; null: there was none. */
  readonly misfits: readonly string[] | null
  readonly moves: readonly ToldMove[]
  readonly packages: number
  readonly written: boolean
}

/** Faults: `lock/no-profiles`, `lock/older`, those of definitions, locks and packages. */
export async function lockImage(
  projectDir: string,
  target: ProfiledName,
  request: LockRequest,
  context: BuildContext,
): Promise<LockReport> {
  const { home, progress, signal } = context
  const wants = await findWants(projectDir, target)
  const file = lockPath(target)
  const before = await readLock(projectDir, file)
  const misfits = before === null ? null : listMisfits(before, wants)
  const report = { image: storedName(target), file, misfits }
  const asIs = { ...report, moves: [], packages: before?.deb.length ?? 0, written: false }
  const fits = misfits?.length === 0
  if (!request.update && (fits || request.check)) return asIs
  await using _lock = await progress.step("build lock", (note) =>
    openBuildLock(home.cache, (holder) => note(`waiting for the build of ${holder}`), signal),
  )
  const stages = await openStages(context, `lock-${storedName(target)}`)
  const held = request.update ? [] : (before?.deb ?? [])
  const after = await stages.plain("lock", `lock: ${file}, asking Debian`, (note) =>
    makeLock({ projectDir, ...target, wants }, held, context, stages.runner, note),
  )
  const moved = before === null ? [] : listMoves(before, after)
  if (before?.suite === after.suite) await refuseOlder(moved, stages.runner)
  const moves = await stages.plain("changelogs", "changelogs of what moved", (note) =>
    readCves(moved, after, context, stages.runner, note),
  )
  // the day of the Release files alone is no change
  const written = !request.check && (moves.length > 0 || !fits)
  if (written) await writeLock(projectDir, file, after)
  return { ...report, moves, packages: after.deb.length, written }
}

async function findWants(projectDir: string, { name, profile }: ProfiledName): Promise<LockWants> {
  if (name !== TOOLS_NAME) return lockWants((await resolvePlan(projectDir, name, profile)).plan)
  if (profile === STRICT_PROFILE) return toolsWants(projectDir)
  throw new Fault("lock/no-profiles", `the tools tree has no profiles, and was asked for with ${profile}`, {
    hint: `without --profile: stereo lock ${TOOLS_NAME}`,
  })
}
