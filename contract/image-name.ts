/** What an image is called where images are kept: its definition's name, and the profile if that is not the usual one. */

/** The profile of every image that asks for no other: the hardening list as it stands. */
export const STRICT_PROFILE = "strict"

/** The folder of images/ that says what the tools tree is made of: no image, and without profiles. */
export const TOOLS_NAME = "tools"

export interface ProfiledName {
  /** The folder of images/. */
  readonly name: string
  /** The folder of images/profiles/. */
  readonly profile: string
}

/** `coder` for strict, `coder-debug` for the profile debug. */
export function storedName({ name, profile }: ProfiledName): string {
  return profile === STRICT_PROFILE ? name : `${name}-${profile}`
}
