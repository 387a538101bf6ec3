/** Which vulnerabilities a package's changelog says were closed since an earlier version. Pure. */

const HEADER = /^(\S+) \(([^)\s]+)\) [^\n;]*;/gm
const CVE = /\bCVE-\d{4}-\d{4,}\b/g

/** Null: the changelog does not know the earlier version, so that it is not known where to stop. */
export function listCves(changelog: string, since: string): string[] | null {
  const headers = [...changelog.matchAll(HEADER)]
  const wanted = sourceVersion(since)
  const stop = headers.find(([, , version]) => version === since || version === wanted)
  if (stop === undefined) return null
  const found = changelog.slice(0, stop.index).match(CVE) ?? []
  return [...new Set(found)].sort()
}

/** Without the number of a rebuild that changed no source, such as +b2. */
function sourceVersion(version: string): string {
  return version.replace(/\+b\d+$/, "")
}
