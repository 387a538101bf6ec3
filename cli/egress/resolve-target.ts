/** Finds what a word of the command line names, and reads what may leave it. */

import { existsSync } from "node:fs"
import { mkdtemp, readdir, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { EgressView } from "../../review/egress-view.ts"
import type { CliContext } from "../context.ts"
import { type ImageParts, viewImage } from "./image-parts.ts"
import { parseTarget, type Target } from "./parse-target.ts"
import { readBuiltParts } from "./read-built-parts.ts"
import { readCardParts } from "./read-card-parts.ts"
import { type Definitions, readDefinitionParts } from "./read-definition-parts.ts"

/** Faults: `review/unknown-target`, `review/ambiguous-target`, `review/bad-revision`, and those of what is read. */
export async function resolveTarget(context: CliContext, text: string): Promise<EgressView> {
  const target = await decide(context, parseTarget(text), text)
  switch (target.kind) {
    case "definition":
      return viewImage(text, "definition", await readDefinitionParts(target.name, workingTree(context)))
    case "image":
      return viewImage(text, "image", await readImageParts(context, target.name))
    case "card": {
      const file = { file: resolve(target.file), shown: target.file }
      return viewImage(text, "card", await readCardParts(file, (name) => findImageParts(context, name)))
    }
    case "revision":
      return readRevisionView(text, target, context)
    case "machine": {
      const { readRecord } = await import("../../machine/record-store.ts")
      const { readMachineView } = await import("./read-machine-view.ts")
      return readMachineView(text, await readRecord(context.home, target.name), context)
    }
    default:
      return target satisfies never
  }
}

function workingTree({ projectDir }: CliContext): Definitions {
  return { dir: projectDir, at: "", projectDir }
}

async function readImageParts(context: CliContext, name: string): Promise<ImageParts> {
  const { readImage } = await import("../../builder/image-store.ts")
  return readBuiltParts(await readImage(context.home, name), context)
}

/** The image that a card names: the built one, from which its machines start, or else its definition. */
async function findImageParts(context: CliContext, name: string): Promise<ImageParts> {
  const { images } = await listKnown(context)
  if (images.includes(name)) return readImageParts(context, name)
  return readDefinitionParts(name, workingTree(context))
}

type Decided = Exclude<Target, { kind: "name" }>

/** A name is a machine's or an image's, never a guess between them. */
async function decide(context: CliContext, target: Target, text: string): Promise<Decided> {
  if (target.kind !== "name") return target
  const known = await listKnown(context)
  const { name } = target
  const isMachine = known.machines.includes(name)
  const isBuilt = known.images.includes(name)
  const isDefined = known.definitions.includes(name)
  if (isMachine && (isBuilt || isDefined)) {
    throw new Fault("review/ambiguous-target", `"${name}" is a machine and an image`, {
      hint: `say which: machine:${name} or image:${name}${isDefined ? ` (or definition:${name})` : ""}`,
    })
  }
  if (isMachine) return { kind: "machine", name }
  if (isBuilt) return { kind: "image", name }
  if (isDefined) return { kind: "definition", name }
  const list = (names: readonly string[]) => names.join(", ") || "none"
  throw new Fault("review/unknown-target", `there is no image or machine called "${text}"`, {
    hint: `images: ${list([...new Set([...known.definitions, ...known.images])])}; machines: ${list(known.machines)}; a card's path ends in .toml`,
  })
}

async function listKnown({ home, projectDir }: CliContext) {
  const folders = async (dir: string) => (existsSync(dir) ? (await readdir(dir)).sort() : [])
  const definitions = await folders(join(projectDir, "images"))
  return {
    machines: await folders(home.machines),
    images: (await folders(join(home.images, "by-name"))).filter((name) => !name.startsWith(".")),
    definitions: definitions.filter((name) => existsSync(join(projectDir, "images", name, "image.toml"))),
  }
}

async function readRevisionView(
  text: string,
  { revision, of }: Extract<Target, { kind: "revision" }>,
  { projectDir, signal, progress }: CliContext,
): Promise<EgressView> {
  const { exportRevision } = await import("../../builder/export-revision.ts")
  const dir = await mkdtemp(join(tmpdir(), "stereo-revision-"))
  try {
    const extraFile = of.kind === "card" ? of.file : null
    const commit = await progress.step(`Definitions at ${revision}`, () =>
      exportRevision({ projectDir, revision, extraFile, dir, signal }),
    )
    const definitions = { dir, projectDir, at: ` at ${revision} (commit ${commit.slice(0, 12)})` }
    const readParts = (name: string) => readDefinitionParts(name, definitions)
    if (of.kind === "definition") return await viewImage(text, "definition", await readParts(of.name))
    const file = { file: join(dir, of.file), shown: of.file }
    return await viewImage(text, "card", await readCardParts(file, readParts))
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}
