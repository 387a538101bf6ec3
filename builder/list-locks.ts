/** Which locks a project has or should have: what `stereo lock` goes through when it is told no image. */

import { existsSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { type ProfiledName, STRICT_PROFILE } from "../contract/image-name.ts"

/** Of each image strict, which it must have, and the profiles for which a lock lies beside its image.toml. */
export async function listLocks(projectDir: string): Promise<ProfiledName[]> {
  const images = join(projectDir, "images")
  const names = (await readdir(images)).filter((name) => existsSync(join(images, name, "image.toml"))).sort()
  const targets = await Promise.all(
    names.map(async (name) => {
      const profiles = (await readdir(join(images, name))).sort().flatMap(profileOf)
      return [STRICT_PROFILE, ...profiles].map((profile) => ({ name, profile }))
    }),
  )
  return targets.flat()
}

/** `debug` of `lock-debug.toml`. */
function profileOf(file: string): string[] {
  const profile = /^lock-(.+)\.toml$/.exec(file)?.[1]
  return profile === undefined ? [] : [profile]
}
