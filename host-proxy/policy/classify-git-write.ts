/** Names what a request to a host with a `git = "read"` rule would write; reading wins there over every other rule. */

import type { EgressGrant } from "../../contract/egress-grant.ts"
import { decodeEscapes, pushesByPath, pushesByQuery } from "../../contract/git-push.ts"
import type { EgressRequest } from "../../contract/verdict.ts"

/** What a git rule does not allow: under which name it is refused, and what it would have done, in words. */
export interface GitWrite {
  readonly rule: string
  readonly does: string
}

/**
 * Null for a host without a git rule, and for a request that reads: any GET or HEAD that prepares no push. For all
 * others only grants of git rules count; `write` is null where that is how git itself reads.
 * A rule that has expired still makes its host read only: time opens nothing.
 */
export function classifyGitWrite(
  request: EgressRequest,
  grants: readonly EgressGrant[],
): { readonly write: GitWrite | null; readonly readOnlyBy: EgressGrant } | null {
  const here = grants.filter((grant) => grant.git !== null && grant.host === request.host)
  const [readOnlyBy] = here
  if (!readOnlyBy) return null
  // a server may decode what the rules do not: here the widest reading counts
  const path = decodeEscapes(request.path)
  if (pushesByPath(path) || pushesByQuery(request.query)) {
    return { write: { rule: "egress/git-push", does: "pushes to a repository" }, readOnlyBy }
  }
  if (["GET", "HEAD"].includes(request.method) && !request.websocket) return null
  if (path.endsWith("/git-upload-pack")) return { write: null, readOnlyBy }
  if (path.includes("/info/lfs")) {
    const does = "uploads, locks or verifies large files, or asks for them where lfs is not opened,"
    return { write: { rule: "egress/git-lfs-write", does }, readOnlyBy }
  }
  if (here.some((grant) => grant.git === "api")) {
    return { write: { rule: "egress/git-api-write", does: "changes something by the API" }, readOnlyBy }
  }
  return { write: { rule: "egress/git-write", does: "sends something" }, readOnlyBy }
}
