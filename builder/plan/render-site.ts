/** The files that tell an image for a cloud where its gateway is and who may log in. */

import type { Site } from "../../contract/site.ts"
import { SITE_FILES } from "../../contract/wire.ts"

export interface SiteFile {
  readonly path: string
  readonly text: string
}

/** None for an image that has no site. */
export function renderSite(site: Site | null): SiteFile[] {
  if (site === null) return []
  const { ca, ...gateway } = site.gateway
  return [
    { path: SITE_FILES.gateway, text: `${JSON.stringify(gateway)}\n` },
    { path: SITE_FILES.authority, text: ca },
    { path: SITE_FILES.authorizedKeys, text: site.ssh.keys.map((key) => `${key}\n`).join("") },
  ]
}
