/** Finds a built image by name or digest; what is not signed by somebody who is trusted, or was changed since, starts no machine. */

import { readdir, realpath } from "node:fs/promises"
import { basename, join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { Home } from "../../contract/home.ts"
import { adviseOnMissing } from "../../contract/image-name.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { readTrustedKeys } from "../../trust/trusted-keys.ts"
import type { Finding } from "../../trust/verification.ts"
import { verifyImage } from "../../trust/verify-image.ts"

export interface BuiltImage {
  readonly name: string
  /** The folder `by-digest/DIGEST`: it never changes, while a name may come to mean another image. */
  readonly dir: string
  readonly manifest: Manifest
}

const DIGEST = /^[0-9a-f]{64}$/
const SHOWN_FINDINGS = 5

/**
 * `reference`: a name, or all 64 digits of a digest, which always mean the same image. The root disk's bytes are
 * not read here, but while the machine boots (check-root.ts); dm-verity checks them there, too.
 * Faults: `image/not-built`, `image/not-verified`, `keys/*`.
 */
export async function readImage(home: Home, reference: string): Promise<BuiltImage> {
  const isDigest = DIGEST.test(reference)
  const dir = await findImage(home, isDigest ? "by-digest" : "by-name", reference)
  const verification = await verifyImage({
    dir,
    // a digest means itself, also where a link leads from it to another image
    digest: isDigest ? reference : basename(dir),
    storedName: isDigest ? null : reference,
    keys: await readTrustedKeys(home),
    depth: "start",
  })
  if (verification.kind === "refused") throw notVerified(reference, verification.findings)
  const { manifest } = verification
  return { name: reference, dir, manifest }
}

async function findImage(home: Home, folder: "by-name" | "by-digest", reference: string): Promise<string> {
  if (/^[a-z0-9][a-z0-9-]*$/.test(reference)) {
    const dir = await realpath(join(home.images, folder, reference)).catch((thrown: unknown) => {
      if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
      throw thrown
    })
    if (dir !== null) return dir
  }
  throw new Fault("image/not-built", `there is no built image called "${reference}"`, {
    hint: adviseOnMissing(reference, await builtNames(home)),
  })
}

async function builtNames(home: Home): Promise<string[]> {
  const names = await readdir(join(home.images, "by-name")).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return []
    throw thrown
  })
  return names.filter((name) => !name.startsWith(".")).sort()
}

function notVerified(image: string, findings: readonly [Finding, ...Finding[]]): Fault {
  const lines = findings.slice(0, SHOWN_FINDINGS).map(({ file, reason }) => `    ${file}: ${reason}`)
  const more = findings.length - lines.length
  if (more > 0) lines.push(`    and ${more} more: stereo images verify ${image}`)
  return new Fault(
    "image/not-verified",
    `image ${image} is not verified, and starts no machine\n${lines.join("\n")}`,
    {
      hint: advise(image, findings[0]),
    },
  )
}

function advise(image: string, { kind }: Finding): string {
  if (kind === "unknown-key") {
    return "if you know whose key it is: stereo keys trust FILE; else build the image yourself: stereo build"
  }
  return `build it again with \`stereo build ${image}\`; if you do not know what changed it, look first: stereo images verify ${image}`
}
