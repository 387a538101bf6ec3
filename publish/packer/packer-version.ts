/** Which of the two kinds of template a version of Packer reads. */

import { Fault } from "../../contract/fault.ts"

/** `plugins`: builders are plugins that the template names; `bundled`: they are a part of Packer, as in Debian's 1.6.6. */
export type PackerForm = "plugins" | "bundled"

export const DEFAULT_PACKER_VERSION = "1.11"

/** What 1.7 brought is `required_plugins`; 1.6.6 is the oldest whose HCL2 has what the templates use. */
const FIRST_WITH_PLUGINS = [1, 7, 0]
const OLDEST = [1, 6, 6]

/** `text` is such as `1.11`, `v1.6.6`. Faults: `packer/bad-version`, `packer/too-old`. */
export function parsePackerForm(text: string): PackerForm {
  const [, major, minor, patch] = /^v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?$/.exec(text) ?? []
  if (major === undefined || minor === undefined) {
    throw new Fault("packer/bad-version", `"${text}" is not a version of Packer`, {
      hint: "give it as `packer version` prints it, for example 1.11.2 or 1.6.6",
    })
  }
  // without a last number the newest of its line is meant
  const version = [
    Number(major),
    Number(minor),
    patch === undefined ? Number.POSITIVE_INFINITY : Number(patch),
  ]
  if (compare(version, OLDEST) < 0) {
    throw new Fault("packer/too-old", `Packer ${text} does not read these templates`, {
      hint: `${OLDEST.join(".")}, which is Debian's, is the oldest that does`,
    })
  }
  return compare(version, FIRST_WITH_PLUGINS) < 0 ? "bundled" : "plugins"
}

function compare(left: readonly number[], right: readonly number[]): number {
  const at = left.findIndex((part, index) => part !== right[index])
  return at === -1 ? 0 : (left[at] ?? 0) - (right[at] ?? 0)
}
