/** From an egress set as it is written to the grants that it means. Pure. */

import type { EgressGrant } from "./egress-grant.ts"
import type { EgressRule, EgressSet } from "./egress-set.ts"
import { lineOfKey } from "./toml.ts"

/** What a set's file gives besides its meaning. */
export interface EgressSetSource {
  readonly text: string
  /** The path shown to readers. */
  readonly file: string
}

type Common = Omit<
  EgressGrant,
  "scheme" | "host" | "port" | "methods" | "paths" | "query" | "bodyCheck" | "git"
>

export function expandEgressSet(set: EgressSet, { text, file }: EgressSetSource): readonly EgressGrant[] {
  return set.allow.flatMap((rule, index) => {
    const line = lineOfKey(text, ["allow", String(index)])
    return expandRule(rule, {
      id: `egress/${set.name}#${index + 1}`,
      source: { file, line },
      websocket: rule.websocket,
      maxPathBytes: rule.max_path_bytes ?? null,
      maxRequestBytes: rule.max_request_kib === undefined ? null : rule.max_request_kib * 1024,
      budgetBytes: rule.budget_mib === undefined ? null : rule.budget_mib * 1024 * 1024,
      why: rule.why,
      owner: rule.owner ?? set.owner,
      expires: earlier(rule.expires, set.expires),
    })
  })
}

function earlier(left: string | undefined, right: string | undefined): string | null {
  const days = [left, right].filter((day) => day !== undefined).sort()
  return days[0] ?? null
}

function expandRule(rule: EgressRule, common: Common): EgressGrant[] {
  const { host, port } = rule
  const place = { scheme: port === 80 ? ("http" as const) : ("https" as const), host, port }
  if (rule.git !== undefined) return expandGit(rule, { ...common, ...place })
  const { methods = [], paths = [], query } = rule
  return [{ ...common, ...place, methods, paths, query, bodyCheck: null, git: null }]
}

type Placed = Common & Pick<EgressGrant, "scheme" | "host" | "port">

/** Bodies with which git asks are lists of commits that it has: large only in histories with many branches. */
const MAX_GIT_REQUEST_BYTES = 1024 * 1024

/** Smart HTTP (gitprotocol-http), LFS's batch API for downloads, and reads of the REST API; nothing that writes. */
function expandGit(rule: EgressRule, placed: Placed): EgressGrant[] {
  const names = (rule.repositories ?? []).flatMap((name) => [`/${name}`, `/${name}.git`])
  const under = (rest: string) => names.map((name) => `${name}${rest}`)
  const reading = { ...placed, bodyCheck: null, maxRequestBytes: 0 }
  const asking = { ...placed, maxRequestBytes: placed.maxRequestBytes ?? MAX_GIT_REQUEST_BYTES }
  const transport = { git: "transport" as const, query: "none" as const }
  const grants: EgressGrant[] = [
    {
      ...{ ...reading, ...transport, methods: ["GET"], paths: under("/info/refs") },
      query: { only: "service=git-upload-pack" },
    },
    { ...asking, ...transport, methods: ["POST"], paths: under("/git-upload-pack"), bodyCheck: null },
  ]
  if (rule.lfs) {
    const batch = { methods: ["POST"], paths: under("/info/lfs/objects/batch") }
    grants.push({ ...asking, ...transport, ...batch, bodyCheck: "git-lfs-download" })
  }
  if (rule.api !== undefined) {
    const paths = (rule.repositories ?? []).flatMap((name) => [`/repos/${name}`, `/repos/${name}/**`])
    const place = { scheme: "https" as const, host: rule.api, port: 443 }
    grants.push({ ...reading, ...place, methods: ["GET", "HEAD"], paths, query: "any", git: "api" })
  }
  return grants
}
