/** What is to be built, and the command that opens a shell in its tree, as errors name it. */

import { type ProfiledName, STRICT_PROFILE } from "../contract/image-name.ts"
import { quoteWords } from "../contract/quote-words.ts"
import type { Site } from "../contract/site.ts"

export interface BuildTarget extends ProfiledName {
  readonly site: Site | null
  /** Where whoever builds has it written down; absent: it was read out of an image, or there is none. */
  readonly siteFile?: string | undefined
}

export function shellCommand({ name, profile, site, siteFile = "site.toml" }: BuildTarget): string {
  const profiled = profile === STRICT_PROFILE ? [] : ["--profile", profile]
  const sited = site === null ? [] : ["--site", siteFile]
  return quoteWords(["stereo", "build", name, ...profiled, ...sited, "--shell"])
}
