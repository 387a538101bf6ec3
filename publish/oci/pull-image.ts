/** An image's path from a registry: who vouches for it comes first, then its files, each as it was signed. */

import { mkdir, rm } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { storedName } from "../../contract/image-name.ts"
import type { Manifest } from "../../contract/manifest.ts"
import type { Progress } from "../../contract/progress.ts"
import type { PublicKey } from "../../trust/public-key.ts"
import type { VerifiedImage, Voucher } from "../../trust/verification.ts"
import { type VerifyRequest, verifyImage } from "../../trust/verify-image.ts"
import { type FoundArtifact, fetchArtifact } from "./fetch-artifact.ts"
import { type FileReport, fetchFiles, fetchSigned, reuseFiles } from "./fetch-files.ts"
import { planFiles, planSigned } from "./plan-files.ts"
import type { ImageReference } from "./reference.ts"
import type { RegistryClient } from "./registry/registry-client.ts"
import { removeStale } from "./remove-stale.ts"

export interface PullRequest {
  readonly client: RegistryClient
  readonly reference: ImageReference
  /** The name that it must have been signed under; null: whichever that is. */
  readonly name: string | null
  /** Of these one must have signed. */
  readonly keys: readonly PublicKey[]
  /** The folder in which the image's own is made, as `.pulling-…`. */
  readonly imagesDir: string
  /** Waits until no other process pulls into the same folder. */
  readonly hold: (dir: string) => Promise<AsyncDisposable>
  /** Downloads at once, from 1. */
  readonly parallel: number
  readonly progress: Progress
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export interface PulledImage {
  /** The artifact's digest in the registry. */
  readonly artifactDigest: string
  /** sha256 of manifest.toml, in hex: the image's digest. */
  readonly digest: string
  readonly manifest: Manifest
  readonly vouchers: readonly Voucher[]
  readonly files: readonly FileReport[]
}

const PREFIX = ".pulling-"

/**
 * Fills a folder with the image and lends it to `keep`, which moves it to where images are. What an interrupted pull
 * has got stays in the folder for the next; of what is refused nothing stays.
 * Faults: `pull/not-verified`, `pull/other-name`, `pull/disk-full`, those of the registry and of the artifact.
 */
export async function pullImage<Kept>(
  request: PullRequest,
  keep: (dir: string, image: PulledImage) => Promise<Kept>,
): Promise<Kept> {
  const { client, reference, imagesDir, hold, progress, signal } = request
  const found = await progress.step(`Asking ${reference.registry}`, () =>
    fetchArtifact(client, reference, signal),
  )
  await removeStale(imagesDir, PREFIX, request.now())
  const dir = join(imagesDir, `${PREFIX}${found.digest.slice("sha256:".length)}`)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await using _held = await hold(dir)
  // whoever held it may have finished it and moved it away
  await mkdir(dir, { recursive: true, mode: 0o700 })
  try {
    const signed = await progress.step("Verifying the signature", () => fetchVerified(request, found, dir))
    const planned = planFiles(found.manifest, signed.manifest)
    await reuseFiles(planned, imagesDir, dir)
    const files = await progress.step("Downloading", (note) => fetchFiles(request, planned, dir, note))
    await verify(request, dir, found, "start")
    const { digest, manifest, vouchers } = signed
    const kept = await keep(dir, { artifactDigest: found.digest, digest, manifest, vouchers, files })
    // still there when the image was here before
    await rm(dir, { recursive: true, force: true })
    return kept
  } catch (thrown) {
    if (isRefusal(thrown)) await rm(dir, { recursive: true, force: true })
    throw thrown
  }
}

/** Small files only, and nothing else is asked for before they are found good. */
async function fetchVerified(
  request: PullRequest,
  found: FoundArtifact,
  dir: string,
): Promise<VerifiedImage> {
  await fetchSigned(request, planSigned(found.manifest), dir)
  const signed = await verify(request, dir, found, "signature")
  const name = storedName(signed.manifest)
  if (request.name === null || request.name === name) return signed
  throw new Fault("pull/other-name", `the image was signed as ${name}, and is to be called ${request.name}`, {
    hint: `an image is never started under another's name: pull it as ${name}, or with --nameless and use its digest`,
  })
}

async function verify(
  request: PullRequest,
  dir: string,
  found: FoundArtifact,
  depth: VerifyRequest["depth"],
): Promise<VerifiedImage> {
  const { reference, keys } = request
  const digest = found.manifest.config.digest.slice("sha256:".length)
  const verification = await verifyImage({ dir, digest, storedName: null, keys, depth })
  if (verification.kind === "verified") return verification
  const lines = verification.findings.slice(0, 5).map(({ file, reason }) => `    ${file}: ${reason}`)
  const shown = `${reference.registry}/${reference.repository}@${found.digest}`
  throw new Fault(
    "pull/not-verified",
    `${shown} is not verified; nothing of it was kept\n${lines.join("\n")}`,
    {
      hint:
        verification.findings[0].kind === "unknown-key"
          ? "if you know whose key it is: stereo keys trust FILE"
          : "ask whoever pushed it, or build the image yourself: stereo build",
    },
  )
}

/** What came is bad, and no other try makes it good; anything else may be gone on with. */
function isRefusal(thrown: unknown): boolean {
  return thrown instanceof Fault && /^(?:artifact|pull)\/(?!disk-full)/.test(thrown.code)
}
