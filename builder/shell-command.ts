/** The command that opens a shell in the tree of an image, as errors name it. */

import { type ProfiledName, STRICT_PROFILE } from "../contract/image-name.ts"

export function shellCommand({ name, profile }: ProfiledName): string {
  return `stereo build ${name}${profile === STRICT_PROFILE ? "" : ` --profile ${profile}`} --shell`
}
