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

/** The command that makes it again, for a hint. */
export function buildCommand({ name, profile }: ProfiledName): string {
  return profile === STRICT_PROFILE ? `stereo build ${name}` : `stereo build ${name} --profile ${profile}`
}

/** How to come by an image that is not here, for a hint; `names` are those that are. */
export function adviseOnMissing(reference: string, names: readonly string[]): string {
  if (reference.includes("/")) return "an image of a registry comes here first: stereo pull"
  const here = names.length === 0 ? "no image is built yet" : `built: ${names.join(", ")}`
  return `${here}; \`stereo build NAME\` makes one of a folder of images/, with \`--profile PROFILE\` NAME-PROFILE`
}
