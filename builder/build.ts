/** An image's path: plan → lock → rootfs → seal → parts (gates, measure, describe, artifact) → provenance → store. */

import { storedName } from "../contract/image-name.ts"
import { openSigner } from "../trust/open-signer.ts"
import type { PublicKey } from "../trust/public-key.ts"
import { writeArtifact } from "./artifact/write-artifact.ts"
import { openBuildLock } from "./build-lock.ts"
import { type BuildTarget, shellCommand } from "./build-target.ts"
import { describeUki } from "./describe-uki.ts"
import { type StoredImage, storeImage } from "./image-store.ts"
import { type Sealed, sealImage } from "./make-artifact.ts"
import type { GateReport } from "./make-gates.ts"
import { type LockInUse, lockWants, openLock } from "./make-lock.ts"
import { makeParts } from "./make-parts.ts"
import { makeProvenance } from "./make-provenance.ts"
import { makeRootfs } from "./make-rootfs.ts"
import { refuseLackOfSite, resolvePlan } from "./resolve-plan.ts"
import { setupTools } from "./setup-tools.ts"
import { type BuildContext, openStages, type StageRow } from "./stages.ts"

export interface BuildReport {
  readonly image: StoredImage
  readonly stages: readonly StageRow[]
  /** From the first stage to the last; less than all of them together, since some run side by side. */
  readonly seconds: number
  readonly sealed: Sealed["report"]
  readonly gates: GateReport
  readonly locks: readonly LockInUse[]
  /** Whose signature vouches for it. */
  readonly signedBy: PublicKey
}

export async function buildImage(
  projectDir: string,
  wanted: BuildTarget,
  context: BuildContext,
): Promise<BuildReport> {
  const { name, profile, site } = wanted
  const { home, progress, signal, now, signing = {} } = context
  const startedAtMs = now()
  const stored = storedName({ name, profile })
  // before it waits for another build: a definition that is wrong, and a key that is not there, are said at once
  refuseLackOfSite(await resolvePlan(projectDir, name, profile, site))
  const signer = await openSigner(home, signing, signal)
  await using _lock = await progress.step("build lock", (note) =>
    openBuildLock(home.cache, (holder) => note(`waiting for the build of ${holder}`), signal),
  )
  const firstStageMs = now()
  const stages = await openStages(context, `build-${stored}`, shellCommand(wanted))
  const resolved = await stages.plain("plan", `plan: ${stored}`, () =>
    resolvePlan(projectDir, name, profile, site),
  )
  const { plan } = resolved
  const target = { projectDir, name, profile, wants: lockWants(plan), given: context.locks?.image }
  const lock = await openLock(target, context, stages)
  const { toolsDir, ...toolsLock } = await setupTools(projectDir, context, stages)
  const rootfs = await makeRootfs({
    ...{ plan, lock: lock.lock, lockFile: lock.file, toolsDir, context, stages },
  })
  const sealed = await sealImage(resolved, rootfs, toolsDir, stages)
  const parts = await makeParts({ projectDir, resolved, lock: lock.lock, rootfs, sealed, toolsDir, stages })
  const ukiDir = await describeUki(resolved, sealed, { ...parts, toolsDir }, stages)
  const image = await stages.plain("store", "artifact: manifest and provenance, into the store", () =>
    storeImage(home, stored, async (dir) => {
      const manifestText = await writeArtifact({
        ...{ ...parts, plan, planSha256: resolved.sha256, ukiDir, dir },
        ...{ inventory: sealed.inventory, lock: lock.text, toolsLock: toolsLock.text },
        debianPackages: [...rootfs.root.packages, ...rootfs.boot.packages],
      })
      await makeProvenance({
        ...{ projectDir, resolved, lock: lock.lock, toolsDir, manifestText, dir, signer },
        ...{ keyless: signing.keyless, runner: stages.runner, startedAtMs, now },
      })
      return manifestText
    }),
  )
  const locks = [lock, toolsLock]
  const seconds = (now() - firstStageMs) / 1000
  return {
    image,
    stages: stages.rows,
    seconds,
    sealed: sealed.report,
    gates: parts.gates,
    signedBy: signer.publicKey,
    locks,
  }
}
