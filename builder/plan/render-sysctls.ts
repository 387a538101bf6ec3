/** The kernel's settings of an image, and the file by which the initramfs makes them before anything of the root runs. */

import type { ImageDefinition } from "../image-definition.ts"
import type { PlannedSysctl } from "../plan.ts"
import { loosenForNamespaces } from "./plan-session.ts"

/** init.sh reads it there. */
const PATH = "/etc/sysctl.d/50-stereo.conf"

/** Each key once: what the sessions need comes last and wins. */
export function planSysctls(definition: ImageDefinition): PlannedSysctl[] {
  const all = [...definition.sysctl, ...loosenForNamespaces(definition).sysctls]
  return [...new Map(all.map((one) => [one.key, one])).values()]
}

/** None where a definition has no settings. */
export function renderSysctls(definition: ImageDefinition): { path: string; text: string }[] {
  const settings = planSysctls(definition)
  if (settings.length === 0) return []
  const lines = settings.map(({ key, value }) => `${key} = ${value}`)
  return [{ path: PATH, text: `# From [[sysctl]]; why each: stereo plan.\n${lines.join("\n")}\n` }]
}
