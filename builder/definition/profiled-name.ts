/** Tells a name such as coder-ec2, under which an image is kept, from the name of a definition. */

import { existsSync } from "node:fs"
import { join } from "node:path"
import type { ProfiledName } from "../../contract/image-name.ts"

/** Null where no folder of images/ and no profile make up the name. */
export function splitProfiled(projectDir: string, stored: string): ProfiledName | null {
  const dashes = [...stored.matchAll(/-/g)].map(({ index }) => index)
  const parts = dashes.map((at) => ({ name: stored.slice(0, at), profile: stored.slice(at + 1) }))
  const isThere = (...folders: string[]) => existsSync(join(projectDir, "images", ...folders, "image.toml"))
  return parts.find(({ name, profile }) => isThere(name) && isThere("profiles", profile)) ?? null
}
