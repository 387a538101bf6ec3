/** Checks an image of a test's own store as `images verify base` would, and says in one line each what was found. */

import { basename } from "node:path"
import { readTrustedKeys } from "../../trust/trusted-keys.ts"
import type { Verification } from "../../trust/verification.ts"
import { verifyImage } from "../../trust/verify-image.ts"
import type { TestStore } from "./image-folder.ts"

export async function verifyFolder(
  store: TestStore,
  dir: string,
  depth: "start" | "all" = "all",
): Promise<Verification> {
  const keys = await readTrustedKeys(store.home)
  return verifyImage({ dir, digest: basename(dir), storedName: "base", keys, depth })
}

/** The kinds of findings, and of which file. */
export function kinds(verification: Verification): string[] {
  if (verification.kind === "verified") return []
  return verification.findings.map(({ kind, file }) => `${kind} ${file}`)
}
