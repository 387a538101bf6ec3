/** The file of kernel settings that the initramfs applies before anything of the root runs. */

import type { ImageDefinition } from "../image-definition.ts"

/** init.sh reads it there. */
const PATH = "/etc/sysctl.d/50-stereo.conf"

/** None where a definition has no settings. */
export function renderSysctls({ sysctl }: ImageDefinition): { path: string; text: string }[] {
  if (sysctl.length === 0) return []
  const lines = sysctl.map(({ key, value }) => `${key} = ${value}`)
  return [{ path: PATH, text: `# From [[sysctl]]; why each: stereo plan.\n${lines.join("\n")}\n` }]
}
