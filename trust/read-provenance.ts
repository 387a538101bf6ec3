/** Reads one of the files that vouch for an image, for whoever passes it on: what a link leads to is none. */

import type { PROVENANCE_FILES } from "../contract/provenance.ts"
import { type Read, readPlainFile } from "./image/read-plain-file.ts"

/** A larger one is taken by no pull. */
const MAX_BYTES = 8 << 20

/** It is not verified here. The finding `missing-file`: the image has none of this kind. */
export function readProvenance(
  dir: string,
  name: (typeof PROVENANCE_FILES)[keyof typeof PROVENANCE_FILES],
): Promise<Read> {
  return readPlainFile(dir, name, MAX_BYTES)
}
