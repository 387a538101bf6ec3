/** Decides whether a request may leave a machine: pure, default deny, the first grant that fits allows. */

import type { EgressGrant, EgressPolicy } from "../../contract/egress-grant.ts"
import { matchesGrantedHost, matchesHost, matchesPath } from "../../contract/path-pattern.ts"
import type { EgressRequest, Verdict } from "../../contract/verdict.ts"
import { classifyGitWrite, type GitWrite } from "./classify-git-write.ts"

/** `today` is the day in UTC, YYYY-MM-DD: what has expired counts no more. */
export function decideEgress(request: EgressRequest, policy: EgressPolicy, today: string): Verdict {
  if (policy.kind === "broken") return refuseBroken(policy)
  const denied = denialOf(request.host, policy)
  if (denied) return denied
  const mayWrite = classifyGitWrite(request, policy.grants)
  const fitting = policy.grants.filter(
    (grant) => (mayWrite === null || grant.git !== null) && allows(grant, request),
  )
  const found = fitting.find((grant) => counts(grant, today))
  if (found) return { kind: "allow", rule: found.id, why: found.why, grant: found }
  if (mayWrite?.write) return refuseGitWrite(request.host, mayWrite.write, mayWrite.readOnlyBy)
  if (fitting[0]) return refuseExpired(fitting[0])
  const place = `${request.scheme}://${request.host}:${request.port}`
  return {
    kind: "refuse",
    rule: "egress/no-rule",
    reason: `no rule of ${describeSets(policy.sets)} allows ${request.websocket ? "a WebSocket to" : request.method} ${place}${request.path.slice(0, 200)}`,
    hint: hintFor(request.host),
  }
}

/** CONNECT asks before there is a request: allowed when some rule could allow one to that host and port. */
export function decideConnect(host: string, port: number, policy: EgressPolicy, today: string): Verdict {
  if (policy.kind === "broken") return refuseBroken(policy)
  const denied = denialOf(host, policy)
  if (denied) return denied
  const named = policy.grants.filter((grant) => matchesGrantedHost(grant.host, host))
  const open = named.filter((grant) => grant.port === port)
  const found = open.find((grant) => counts(grant, today))
  if (found) return { kind: "allow", rule: found.id, why: found.why, grant: null }
  if (open[0]) return refuseExpired(open[0])
  return {
    kind: "refuse",
    rule: named.length > 0 ? "egress/connect-port" : "egress/no-rule",
    reason:
      named.length > 0
        ? `no rule of ${describeSets(policy.sets)} opens port ${port} of ${host}`
        : `no rule of ${describeSets(policy.sets)} names ${host}:${port}`,
    hint: hintFor(host),
  }
}

function counts(grant: EgressGrant, today: string): boolean {
  return grant.expires === null || today <= grant.expires
}

function allows(grant: EgressGrant, request: EgressRequest): boolean {
  return (
    grant.scheme === request.scheme &&
    grant.port === request.port &&
    matchesGrantedHost(grant.host, request.host) &&
    grant.methods.includes(request.method) &&
    (!request.websocket || grant.websocket) &&
    (grant.maxPathBytes === null || sentBytes(request) <= grant.maxPathBytes) &&
    allowsQuery(grant.query, request.query) &&
    grant.paths.some((path) => matchesPath(path, request.path))
  )
}

/** Path and query as they go out; both are ASCII by now. */
function sentBytes(request: EgressRequest): number {
  return request.path.length + (request.query === null ? 0 : request.query.length + 1)
}

function allowsQuery(allowed: EgressGrant["query"], query: string | null): boolean {
  if (allowed === "any") return true
  return allowed === "none" ? query === null : query === allowed.only
}

function denialOf(host: string, policy: Extract<EgressPolicy, { kind: "rules" }>): Verdict | null {
  const denial = policy.denials.find((one) => matchesHost(one.host, host))
  if (!denial) return null
  const reason = `${denial.host} was closed for this machine by ${denial.owner}: ${denial.why}`
  return { kind: "refuse", rule: denial.id, reason, hint: `ask ${denial.owner}` }
}

function refuseGitWrite(host: string, write: GitWrite, by: EgressGrant): Verdict {
  return {
    kind: "refuse",
    rule: write.rule,
    reason: `this ${write.does} and ${by.id} allows only reading of ${host}; no other rule changes that`,
    hint: `hand the change over as a patch, or ask ${by.owner} (${describePlace(by)})`,
  }
}

function refuseExpired(grant: EgressGrant): Verdict {
  return {
    kind: "refuse",
    rule: "egress/expired",
    reason: `${grant.id} allowed this until ${grant.expires} (UTC) and has expired; ${grant.owner} answers for it`,
    hint: `ask ${grant.owner} to look at it again and to set a later day in ${describePlace(grant)}`,
  }
}

function describePlace({ source }: EgressGrant): string {
  return source.line > 0 ? `${source.file}:${source.line}` : source.file
}

function refuseBroken(policy: Extract<EgressPolicy, { kind: "broken" }>): Verdict {
  return {
    kind: "refuse",
    rule: policy.rule,
    reason: `nothing may leave this machine: ${policy.reason}`,
    hint: "correct it on the host, then run `stereo egress reload` for this machine",
  }
}

function describeSets(sets: readonly string[]): string {
  if (sets.length === 0) return "this machine's egress sets (it has none)"
  return `the egress set${sets.length > 1 ? "s" : ""} ${sets.join(", ")}`
}

function hintFor(host: string): string {
  return `if the agent needs it, add a rule for ${host} with its why to an egress set in policies/egress/ and name that set in the machine's card; whoever runs the machine can open it for a while by \`stereo egress allow\``
}
