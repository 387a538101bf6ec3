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

/** Smart HTTP (gitprotocol-http), LFS's batch API for downloads, and reads of the REST API; nothing that writes. */
function expandGit(rule: EgressRule, placed: Placed): EgressGrant[] {
  const names = (rule.repositories ?? []).flatMap((name) => [`/${name}`, `/${name}.git`])
  const under = (rest: string) => names.map((name) => `${name}${rest}`)
  const ask = { methods: ["GET"], paths: under("/info/refs"), query: { only: "service=git-upload-pack" } }
  const fetchPack = { methods: ["POST"], paths: under("/git-upload-pack"), query: "none" as const }
  const transport = { ...placed, bodyCheck: null, git: "transport" as const }
  const grants: EgressGrant[] = [ask, fetchPack].map((part) => ({ ...transport, ...part }))
  if (rule.lfs) {
    const batch = { methods: ["POST"], paths: under("/info/lfs/objects/batch"), query: "none" as const }
    grants.push({ ...transport, ...batch, bodyCheck: "git-lfs-download" })
  }
  if (rule.api !== undefined) {
    const paths = (rule.repositories ?? []).flatMap((name) => [`/repos/${name}`, `/repos/${name}/**`])
    const read = { methods: ["GET", "HEAD"], paths, query: "any" as const, bodyCheck: null }
    grants.push({ ...placed, scheme: "https", host: rule.api, port: 443, ...read, git: "api" })
  }
  return grants
}
