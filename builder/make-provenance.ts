/** A build's last step before its name moves: what went in and what came out, signed. */

import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { parse } from "smol-toml"
import { newIdentifier } from "../contract/identifier.ts"
import type { ImageLock } from "../contract/image-lock.ts"
import { manifest } from "../contract/manifest.ts"
import { signProvenance } from "../trust/sign-provenance.ts"
import type { KeylessChoice, Signer } from "../trust/signer.ts"
import { readRevision } from "./provenance/read-revision.ts"
import { renderStatement } from "./provenance/render-statement.ts"
import type { ResolvedPlan } from "./resolve-plan.ts"
import type { Runner } from "./stages.ts"

export interface ProvenanceRequest {
  readonly projectDir: string
  readonly resolved: ResolvedPlan
  readonly lock: ImageLock
  readonly toolsDir: string
  /** As it lies in `dir`. */
  readonly manifestText: string
  readonly dir: string
  readonly signer: Signer
  /** Absent: by key alone. */
  readonly keyless: KeylessChoice | undefined
  readonly runner: Runner
  /** Milliseconds since 1970. */
  readonly startedAtMs: number
  readonly now: () => number
}

export async function makeProvenance(request: ProvenanceRequest): Promise<void> {
  const { projectDir, resolved, manifestText, startedAtMs, now, runner } = request
  const statement = renderStatement({
    manifest: manifest.parse(parse(manifestText)),
    manifestText,
    archs: new Map(request.lock.deb.map(({ name, arch }) => [name, arch])),
    definitions: await hashDefinitions(projectDir, resolved.layerDirs),
    toolsSha256: basename(request.toolsDir),
    revision: await readRevision(projectDir, runner),
    version: { stereo: await readVersion(projectDir), node: process.version },
    invocationId: newIdentifier(startedAtMs),
    startedOn: new Date(startedAtMs).toISOString(),
    finishedOn: new Date(now()).toISOString(),
  })
  const { signer, keyless, dir } = request
  await signProvenance({ statement, signer, dir, ...(keyless === undefined ? {} : { keyless }) })
}

async function hashDefinitions(
  projectDir: string,
  layerDirs: readonly string[],
): Promise<Record<string, string>> {
  const pairs = layerDirs.map(async (dir) => {
    const path = `${dir}/image.toml`
    const bytes = await readFile(join(projectDir, path))
    return [path, createHash("sha256").update(bytes).digest("hex")] as const
  })
  return Object.fromEntries(await Promise.all(pairs))
}

async function readVersion(projectDir: string): Promise<string> {
  const document: unknown = JSON.parse(await readFile(join(projectDir, "package.json"), "utf8"))
  const version =
    document !== null && typeof document === "object" && "version" in document ? document.version : null
  return String(version ?? "unknown")
}
