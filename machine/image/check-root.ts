/** Reads the whole root disk of an image: dm-verity finds a changed byte only when something in the machine reads it. */

import { Fault } from "../../contract/fault.ts"
import { buildCommand } from "../../contract/image-name.ts"
import { verifyRoot } from "../../trust/verify-root.ts"
import type { BuiltImage } from "./read-image.ts"

/** Half a second for 460 MB, while the machine starts. Fault: `image/not-verified`. */
export async function checkRoot({ name, dir, manifest }: BuiltImage): Promise<void> {
  const finding = await verifyRoot(dir, manifest)
  if (finding === null) return
  throw new Fault(
    "image/not-verified",
    `image ${name} is not verified, and starts no machine\n    ${finding.file}: ${finding.reason}`,
    {
      hint: `build it again with \`${buildCommand(manifest)}\`; if you do not know what changed it, look first: stereo images verify ${name}`,
    },
  )
}
