/** Which locks a project has or should have: what `stereo lock` goes through when it is told no image. */

import { existsSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { type ProfiledName, STRICT_PROFILE, TOOLS_NAME } from "../contract/image-name.ts"

/**
 * Of each image strict, which it must have, and the profiles for which a lock lies beside its image.toml; with
 * `profile` that one alone, of each image that can have it.
 */
export async function listLocks(projectDir: string, profile?: string): Promise<ProfiledName[]> {
  const images = join(projectDir, "images")
  const names = (await readdir(images)).filter((name) => existsSync(join(images, name, "image.toml"))).sort()
  if (profile !== undefined) {
    const having = profile === STRICT_PROFILE ? names : names.filter((name) => name !== TOOLS_NAME)
    return having.map((name) => ({ name, profile }))
  }
  const targets = await Promise.all(
    names.map(async (name) => {
      const profiles = (await readdir(join(images, name))).sort().flatMap(profileOf)
      return [STRICT_PROFILE, ...profiles].map((each) => ({ name, profile: each }))
    }),
  )
  return targets.flat()
}

/** `debug` of `lock-debug.toml`. */
function profileOf(file: string): string[] {
  const profile = /^lock-(.+)\.toml$/.exec(file)?.[1]
  return profile === undefined ? [] : [profile]
}
