/** Opens Debian's archive as the host reaches it, for as long as a build needs it. */

import { mkdir, mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { type Apt, findDebianSources, NO_SETTINGS, openApt } from "./apt.ts"
import type { BuildContext, Runner } from "./stages.ts"

export interface OpenDebian extends AsyncDisposable {
  readonly apt: Apt
}

/** Its folder goes with it; those of builds that were killed go at the next opening, which the build lock allows. */
export async function openDebian(context: BuildContext, runner: Runner, suite: string): Promise<OpenDebian> {
  const sources = await findDebianSources(context.debian ?? NO_SETTINGS, runner)
  const parent = join(context.home.cache, "apt")
  await rm(parent, { recursive: true, force: true })
  await mkdir(parent, { recursive: true })
  const dir = await mkdtemp(join(parent, "of-"))
  return {
    apt: await openApt(sources, suite, dir, runner),
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }),
  }
}
