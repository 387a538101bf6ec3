/** Finds a built image that is to leave this host, and checks first that somebody who is trusted signed it. */

import { basename } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { ImageFolder } from "../../publish/oci/pack-image.ts"
import type { Depth } from "../../trust/image/check-contents.ts"
import type { CliContext } from "../context.ts"

/**
 * By name, by digest or by its beginning. A root disk is left out at depth `start`, for whoever reads its bytes
 * afterwards. Faults: `image/not-built`, `image/not-verified`.
 */
export async function readImageFolder(
  context: CliContext,
  reference: string,
  depth: Depth = "start",
): Promise<ImageFolder> {
  const { findImageFolder } = await import("../../builder/find-image-folder.ts")
  const { verifyImage } = await import("../../trust/verify-image.ts")
  const { readTrustedKeys } = await import("../../trust/trusted-keys.ts")
  const { dir, name } = await findImageFolder(context.home, reference)
  const keys = await readTrustedKeys(context.home)
  const verification = await verifyImage({
    dir,
    digest: basename(dir),
    storedName: name,
    keys,
    depth,
  })
  if (verification.kind === "verified") {
    const { manifest, digest } = verification
    return { dir, manifest, digest }
  }
  const [{ file, reason }] = verification.findings
  throw new Fault(
    "image/not-verified",
    `image ${reference} is not verified, and stays here: ${file}: ${reason}`,
    {
      hint: `all that is wrong with it: stereo images verify ${reference}`,
    },
  )
}
