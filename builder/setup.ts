/** Makes the tools tree on its own, as `stereo setup` does before the first build. */

import { openBuildLock } from "./build-lock.ts"
import type { LockInUse } from "./make-lock.ts"
import { setupTools } from "./setup-tools.ts"
import { type BuildContext, openStages, type StageRow } from "./stages.ts"

export interface SetupReport {
  readonly toolsDir: string
  readonly lock: LockInUse
  readonly stages: readonly StageRow[]
}

export async function setup(projectDir: string, context: BuildContext): Promise<SetupReport> {
  const { home, progress, signal } = context
  await using _lock = await progress.step("build lock", (note) =>
    openBuildLock(home.cache, (holder) => note(`waiting for the build of ${holder}`), signal),
  )
  const stages = await openStages(context, "setup")
  const { toolsDir, ...lock } = await setupTools(projectDir, context, stages)
  return { toolsDir, lock, stages: stages.rows }
}
