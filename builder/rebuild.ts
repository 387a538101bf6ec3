/** Builds an image again from the locks that it carries, with nothing of earlier builds but packages, and compares. */

import { createHash } from "node:crypto"
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises"
import { basename, join } from "node:path"
import { parse } from "smol-toml"
import { Fault } from "../contract/fault.ts"
import { type Home, homeLayout } from "../contract/home.ts"
import { storedName } from "../contract/image-name.ts"
import { type Manifest, manifest } from "../contract/manifest.ts"
import { PROVENANCE_FILES, provenanceStatement } from "../contract/provenance.ts"
import { buildImage } from "./build.ts"
import { openBuildLock } from "./build-lock.ts"
import { compareArtifacts, type FileComparison } from "./compare/compare-artifacts.ts"
import { findImageFolder } from "./find-image-folder.ts"
import { resolvePlan } from "./resolve-plan.ts"
import type { BuildContext } from "./stages.ts"

export interface RebuildReport {
  readonly name: string
  /** sha256 of the manifest as it was, and of the one that came out now. */
  readonly digest: string
  readonly rebuiltDigest: string
  readonly files: readonly FileComparison[]
  /** Where the second image was left for a closer look; null: nothing differs. */
  readonly keptDir: string | null
}

/** Signatures are not compared. Faults: `rebuild/other-plan`, `rebuild/damaged`, those of a build. */
export async function rebuildImage(
  projectDir: string,
  reference: string,
  context: BuildContext,
): Promise<RebuildReport> {
  const { home, progress, signal } = context
  const { dir } = await findImageFolder(home, reference)
  const image = await readArtifact(dir)
  const { name, profile } = image.manifest
  await refuseOtherPlan(projectDir, dir, image.manifest)
  await using _lock = await progress.step("build lock", (note) =>
    openBuildLock(home.cache, (holder) => note(`waiting for the build of ${holder}`), signal),
  )
  const scratch = await openScratchHome(home)
  let keep = false
  try {
    const { signing: _own, ...rest } = context
    const locks = { image: image.lock, tools: image.toolsLock }
    const rebuilt = await buildImage(projectDir, { name, profile }, { ...rest, home: scratch, locks })
    const logFile = join(scratch.cache, "logs", "compare.log")
    const files = await progress.step("compare: file by file", () =>
      compareArtifacts({ before: dir, after: rebuilt.image.dir, manifest: image.manifest, logFile, signal }),
    )
    keep = rebuilt.image.digest !== basename(dir) || files.some(({ same }) => !same)
    return {
      ...{ name: storedName({ name, profile }), digest: basename(dir), rebuiltDigest: rebuilt.image.digest },
      ...{ files, keptDir: keep ? rebuilt.image.dir : null },
    }
  } finally {
    if (!keep) await rm(scratch.root, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

interface Artifact {
  readonly manifest: Manifest
  readonly lock: string
  readonly toolsLock: string
}

async function readArtifact(dir: string): Promise<Artifact> {
  const text = await readFile(join(dir, "manifest.toml"))
  refuseDamaged("manifest.toml", text, basename(dir))
  const parsed = manifest.safeParse(parse(text.toString("utf8")))
  if (!parsed.success) {
    throw new Fault("rebuild/damaged", `${dir}: this version of stereo cannot read its manifest`, {
      hint: "use the version that built it",
      cause: parsed.error,
    })
  }
  const { lock, tools_lock } = parsed.data.files
  const read = async ({ name, sha256 }: Manifest["files"]["lock"]) => {
    const bytes = await readFile(join(dir, name))
    refuseDamaged(name, bytes, sha256)
    return bytes.toString("utf8")
  }
  return { manifest: parsed.data, lock: await read(lock), toolsLock: await read(tools_lock) }
}

function refuseDamaged(name: string, bytes: Buffer, sha256: string): void {
  const actual = createHash("sha256").update(bytes).digest("hex")
  if (actual === sha256) return
  throw new Fault("rebuild/damaged", `${name} was changed: sha256 ${actual}, expected ${sha256}`, {
    hint: "`stereo images verify` says what else; without its own lock an image cannot be rebuilt",
  })
}

async function refuseOtherPlan(
  projectDir: string,
  dir: string,
  { name, profile, plan }: Manifest,
): Promise<void> {
  const { sha256 } = await resolvePlan(projectDir, name, profile)
  if (sha256 === plan) return
  const commit = await readCommit(dir)
  throw new Fault(
    "rebuild/other-plan",
    `image ${storedName({ name, profile })} is of plan ${plan}; the definitions and the builder here give ${sha256}`,
    {
      hint:
        commit === null
          ? "use the checkout that it was built from"
          : `its provenance names commit ${commit}: git worktree add ../rebuild ${commit}, and there make modules && ./stereo images rebuild`,
    },
  )
}

/** As the provenance says, which is not verified here; null: it says nothing that reads. */
async function readCommit(dir: string): Promise<string | null> {
  try {
    const envelope: unknown = JSON.parse(await readFile(join(dir, PROVENANCE_FILES.envelope), "utf8"))
    const payload =
      envelope !== null && typeof envelope === "object" && "payload" in envelope ? envelope.payload : ""
    const text = Buffer.from(String(payload), "base64").toString("utf8")
    const { predicate } = provenanceStatement.parse(JSON.parse(text))
    const project = predicate.buildDefinition.resolvedDependencies.find((one) => one.name === "project")
    return project?.digest["gitCommit"] ?? null
  } catch (thrown) {
    // an image without provenance, or with one of another time: the hint is shorter then
    if (thrown instanceof Error) return null
    throw thrown
  }
}

/** A home of its own: of the real one it sees the packages, which are checked as they are used, and tools trees. */
async function openScratchHome(home: Home): Promise<Home> {
  const parent = join(home.cache, "rebuild")
  await mkdir(parent, { recursive: true })
  // those of rebuilds that were killed or looked into; the build lock says that nobody uses one
  for (const old of await readdir(parent)) await rm(join(parent, old), { recursive: true, force: true })
  const scratch = homeLayout(await mkdtemp(join(parent, "home-")))
  await mkdir(scratch.cache)
  await mkdir(scratch.tools)
  await symlink(join(home.cache, "store"), join(scratch.cache, "store"))
  for (const name of await readdir(home.tools)) {
    if (/^[0-9a-f]{64}$/.test(name)) await symlink(join(home.tools, name), join(scratch.tools, name))
  }
  return scratch
}
