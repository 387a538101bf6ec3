/** Whether the root disk beside a manifest is the manifest's, each byte of it: what `start` of verify-image leaves to its caller. */

import type { Manifest } from "../contract/manifest.ts"
import { checkPlainFile } from "./image/read-plain-file.ts"
import type { Finding } from "./verification.ts"

/** Null: it is. The manifest is one that was verified. */
export function verifyRoot(dir: string, { files }: Manifest): Promise<Finding | null> {
  return checkPlainFile(dir, files.root, "bytes")
}
