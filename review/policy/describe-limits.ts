/** Queries and sizes in words. Pure. */

import type { EgressGrant } from "../../contract/egress-grant.ts"

export function describeQuery(query: EgressGrant["query"]): string {
  if (query === "any") return "any query"
  return query === "none" ? "no query" : `only the query ?${query.only}`
}

export function describeBytes(bytes: number): string {
  if (bytes >= 1_048_576 && bytes % 1_048_576 === 0) return `${bytes / 1_048_576} MiB`
  return bytes >= 1024 && bytes % 1024 === 0 ? `${bytes / 1024} KiB` : `${bytes} bytes`
}
