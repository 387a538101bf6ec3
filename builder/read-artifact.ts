/** Reads of a stored image what it says of how it was made: its manifest, its two locks, and the commit. */

import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { z } from "zod"
import { Fault, reasonOf } from "../contract/fault.ts"
import { imageLock } from "../contract/image-lock.ts"
import { type Manifest, manifest } from "../contract/manifest.ts"
import { PROVENANCE_FILES } from "../contract/provenance.ts"
import { parseToml } from "../contract/toml.ts"

export interface Artifact {
  readonly dir: string
  readonly manifest: Manifest
  /** The texts of its locks. */
  readonly lock: string
  readonly toolsLock: string
  readonly commit: Commit | null
}

export interface Commit {
  readonly id: string
  /** There were changes that were not committed. */
  readonly dirty: boolean
}

/** Faults: `rebuild/damaged` for files that are gone or changed, `rebuild/other-version` for those of another format. */
export async function readArtifact(dir: string): Promise<Artifact> {
  const commit = await readCommit(dir)
  const source = { dir, commit }
  const text = await readPart(source, { name: "manifest.toml", sha256: basename(dir) })
  const parsed = parsePart(source, "manifest.toml", text, manifest)
  const { lock, tools_lock } = parsed.files
  const read = async (file: Manifest["files"]["lock"]) => {
    const lockText = await readPart(source, file)
    parsePart(source, file.name, lockText, imageLock)
    return lockText
  }
  return { ...source, manifest: parsed, lock: await read(lock), toolsLock: await read(tools_lock) }
}

/** Which checkout to go to, in words. */
export function adviseCheckout({ dir, commit }: Pick<Artifact, "dir" | "commit">): string {
  if (commit === null) return "use the checkout that it was built from"
  const { id, dirty } = commit
  const changed = dirty ? ", with changes that were not committed, and are needed, too" : ""
  return `its provenance names commit ${id}${changed}: git worktree add ../rebuild ${id}, and there make modules && ./stereo images rebuild ${basename(dir).slice(0, 12)}`
}

interface Source {
  readonly dir: string
  readonly commit: Commit | null
}

async function readPart(
  { dir }: Source,
  { name, sha256 }: { readonly name: string; readonly sha256: string },
): Promise<string> {
  const file = join(dir, name)
  const hint =
    "`stereo images verify` says what else; without it an image cannot be rebuilt: pull or build it again"
  let bytes: Buffer
  try {
    bytes = await readFile(file)
  } catch (cause) {
    throw new Fault("rebuild/damaged", `${file} cannot be read: ${reasonOf(cause)}`, { hint, cause })
  }
  const actual = createHash("sha256").update(bytes).digest("hex")
  if (actual === sha256) return bytes.toString("utf8")
  throw new Fault("rebuild/damaged", `${file} was changed: sha256 ${actual}, expected ${sha256}`, { hint })
}

function parsePart<Shape extends z.ZodType>(
  { dir, commit }: Source,
  name: string,
  text: string,
  shape: Shape,
): z.infer<Shape> {
  const file = join(dir, name)
  try {
    return parseToml({ text, file, stage: "rebuild" }, shape)
  } catch (cause) {
    const [first = "", ...more] = reasonOf(cause).split("\n")
    const others = more.length > 0 ? ` (and ${more.length} more)` : ""
    throw new Fault(
      "rebuild/other-version",
      `another version of stereo made this image, and this one cannot read it: ${first}${others}`,
      { hint: adviseCheckout({ dir, commit }), cause },
    )
  }
}

const envelope = z.object({ payload: z.string() })
/** Only what is looked for: provenance of another version has it, too. */
const statement = z.object({
  predicate: z.object({
    buildDefinition: z.object({
      resolvedDependencies: z.array(
        z.object({
          name: z.string().optional(),
          digest: z.object({
            gitCommit: z
              .string()
              .regex(/^[0-9a-f]{40,64}$/)
              .optional(),
          }),
          annotations: z.object({ dirty: z.boolean().optional() }).optional(),
        }),
      ),
    }),
  }),
})

/** As the provenance says, which is not verified here; null: it says nothing that reads. */
async function readCommit(dir: string): Promise<Commit | null> {
  try {
    const { payload } = envelope.parse(
      JSON.parse(await readFile(join(dir, PROVENANCE_FILES.envelope), "utf8")),
    )
    const { predicate } = statement.parse(JSON.parse(Buffer.from(payload, "base64").toString("utf8")))
    const project = predicate.buildDefinition.resolvedDependencies.find((one) => one.name === "project")
    const id = project?.digest.gitCommit
    return id === undefined ? null : { id, dirty: project?.annotations?.dirty === true }
  } catch (thrown) {
    // an image without provenance, or with one of another time: the hint is shorter then
    if (thrown instanceof Error) return null
    throw thrown
  }
}
