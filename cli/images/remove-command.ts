/** `stereo images rm IMAGE`: removes finished images that no machine runs from. */

import { basename } from "node:path"
import { type Command, InvalidArgumentError } from "commander"
import { openBuildLock } from "../../builder/build-lock.ts"
import { readNames } from "../../builder/image-names.ts"
import { type RemovedImage, removeImage, removeUnnamed } from "../../builder/remove-image.ts"
import { Fault } from "../../contract/fault.ts"
import { adviseOnMissing } from "../../contract/image-name.ts"
import { jsonText } from "../../contract/json-text.ts"
import { mebibytes } from "../../contract/mebibytes.ts"
import { listMachines } from "../../machine/record-store.ts"
import { sweepMachines } from "../../machine/sweep.ts"
import type { CliContext } from "../context.ts"

interface RemoveOptions {
  readonly unnamed?: boolean
  readonly json?: boolean
}

export function addRemoveCommand(images: Command, context: CliContext): void {
  images
    .command("rm")
    .description("remove finished images")
    .argument("[image...]", "a name, a digest, or at least 6 digits of its beginning")
    .option("--unnamed", "those of earlier builds and pulls, at which no name points any more")
    .option("--json", "print as JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  $ stereo images rm coder-debug\n  $ stereo images rm --unnamed\n\nOne that a machine runs from stays. What a build would take from its cache stays, too: building it again is fast.",
    )
    .action(async (references: string[], options: RemoveOptions) => {
      if (references.length === 0 && !options.unnamed)
        throw new InvalidArgumentError("expected an image, or --unnamed.")
      const removed = await remove(context, references, options.unnamed === true)
      context.print(options.json ? jsonText(removed) : removed.map(describe).join(""))
    })
}

async function remove(
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
  const wanted = await Promise.all(references.map((reference) => find(context, reference)))
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

/** A name is that name alone, a digest all names that point at it; also of an image that cannot be read any more. */
async function find({ home }: CliContext, reference: string): Promise<{ digest: string; names: string[] }> {
  const all = await readNames(home)
  const digest = all.get(reference)
  if (digest !== undefined) return { digest, names: [reference] }
  const matches = /^[0-9a-f]{6,64}$/.test(reference)
    ? [...all].filter(([, pointed]) => pointed.startsWith(reference))
    : []
  const [first] = matches
  if (first && new Set(matches.map(([, pointed]) => pointed)).size === 1)
    return { digest: first[1], names: matches.map(([name]) => name) }
  throw new Fault("image/not-built", `there is no built image "${reference}"`, {
    hint: adviseOnMissing(reference, [...all.keys()]),
  })
}

function refuseUsed(image: string, machines: readonly string[]): void {
  if (machines.length === 0) return
  throw new Fault(
    "image/in-use",
    `image ${image} stays: ${machines.join(", ")} run${machines.length === 1 ? "s" : ""} from it`,
    {
      hint: `end it first: stereo rm -f ${machines.join(" ")}`,
    },
  )
}

function describe({ names, digest, freedBytes }: RemovedImage): string {
  const freed = freedBytes === null ? "it has another name, and stays" : `${mebibytes(freedBytes)} freed`
  return `removed ${names.join(", ") || "(unnamed)"} ${digest.slice(0, 12)}: ${freed}\n`
}
