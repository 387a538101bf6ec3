/** Removes finished images that no machine runs from: all that were asked for, or none. */

import { basename } from "node:path"
import { openBuildLock } from "../../builder/build-lock.ts"
import { findImageFolder } from "../../builder/find-image-folder.ts"
import { readNames } from "../../builder/image-names.ts"
import { type RemovedImage, removeImage, removeUnnamed } from "../../builder/remove-image.ts"
import { Fault } from "../../contract/fault.ts"
import type { Home } from "../../contract/home.ts"
import { listMachines } from "../../machine/record-store.ts"
import { sweepMachines } from "../../machine/sweep.ts"
import type { CliContext } from "../context.ts"

/** Faults: `image/in-use`, `image/not-built`. */
export async function removeImages(
  context: CliContext,
  references: readonly string[],
  unnamed: boolean,
): Promise<RemovedImage[]> {
  const { home, progress, signal } = context
  await using _lock = await progress.step("build lock", (note) =>
    openBuildLock(home.cache, (holder) => note(`waiting for the build of ${holder}`), signal),
  )
  const used = await findUsed(context)
  // all of them are looked at before the first is gone
  const wanted = await Promise.all(references.map((reference) => find(home, reference)))
  for (const { digest, names } of wanted) refuseUsed(names[0] ?? digest, used.get(digest) ?? [])
  const removed: RemovedImage[] = []
  for (const { digest, names } of wanted) removed.push(await removeImage(home, digest, names))
  if (unnamed) removed.push(...(await removeUnnamed(home, new Set(used.keys()))))
  return removed
}

/** Digests of images that machines run from, with the machines. */
async function findUsed({ home, now }: CliContext): Promise<ReadonlyMap<string, readonly string[]>> {
  await sweepMachines(home, now())
  const used = new Map<string, string[]>()
  for (const { name, record } of await listMachines(home)) {
    if (record === null || (record.state !== "starting" && record.state !== "running")) continue
    const digest = basename(record.image.dir)
    used.set(digest, [...(used.get(digest) ?? []), name])
  }
  return used
}

/** A name is that name alone, a digest all names that point at it; also of an image without one, or that cannot be read. */
async function find(home: Home, reference: string): Promise<{ digest: string; names: string[] }> {
  const { dir, name } = await findImageFolder(home, reference)
  const digest = basename(dir)
  if (name !== null) return { digest, names: [name] }
  const all = [...(await readNames(home))]
  return { digest, names: all.filter(([, pointed]) => pointed === digest).map(([one]) => one) }
}

function refuseUsed(image: string, machines: readonly string[]): void {
  if (machines.length === 0) return
  throw new Fault(
    "image/in-use",
    `image ${image} stays: ${machines.join(", ")} run${machines.length === 1 ? "s" : ""} from it`,
    { hint: `end it first: stereo rm -f ${machines.join(" ")}` },
  )
}
