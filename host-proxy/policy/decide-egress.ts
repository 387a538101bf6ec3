/** Decides whether a request may leave a machine: pure, default deny, the first matching rule allows. */

import type { EgressRule, EgressSet } from "../../contract/egress-set.ts"
import type { EgressRequest, Verdict } from "../../contract/verdict.ts"

/** What a machine may reach: its sets, or why none of them counts. */
export type MachinePolicy =
  | { readonly kind: "sets"; readonly sets: readonly EgressSet[] }
  | { readonly kind: "broken"; readonly rule: string; readonly reason: string }

export function decideEgress(request: EgressRequest, policy: MachinePolicy): Verdict {
  if (policy.kind === "broken") return refuseBroken(policy)
  const found = firstMatch(policy.sets, (rule) => allows(rule, request))
  if (found) return found
  const place = `${request.scheme}://${request.host}:${request.port}`
  return {
    kind: "refuse",
    rule: "egress/no-rule",
    reason: `no rule of ${describeSets(policy.sets)} allows ${request.method} ${place}${request.path.slice(0, 200)}`,
    hint: hintFor(request.host),
  }
}

/** CONNECT asks before there is a request: allowed when some rule could allow one to that host and port. */
export function decideConnect(host: string, port: number, policy: MachinePolicy): Verdict {
  if (policy.kind === "broken") return refuseBroken(policy)
  const found = firstMatch(policy.sets, (rule) => rule.port === port && matchesHost(rule.host, host))
  if (found) return found
  const known = firstMatch(policy.sets, (rule) => matchesHost(rule.host, host))
  return {
    kind: "refuse",
    rule: known ? "egress/connect-port" : "egress/no-rule",
    reason: known
      ? `no rule of ${describeSets(policy.sets)} opens port ${port} of ${host}`
      : `no rule of ${describeSets(policy.sets)} names ${host}:${port}`,
    hint: hintFor(host),
  }
}

function firstMatch(sets: readonly EgressSet[], matches: (rule: EgressRule) => boolean): Verdict | null {
  for (const set of sets) {
    const index = set.allow.findIndex(matches)
    const rule = set.allow[index]
    if (rule) return { kind: "allow", rule: `egress/${set.name}#${index + 1}`, why: rule.why }
  }
  return null
}

function allows(rule: EgressRule, request: EgressRequest): boolean {
  const tls = request.scheme === "https"
  return (
    rule.port === request.port &&
    // plain HTTP never goes to a TLS port nor the other way round
    rule.port !== (tls ? 80 : 443) &&
    matchesHost(rule.host, request.host) &&
    rule.methods.some((method) => method === request.method) &&
    rule.paths.some((path) => matchesPath(path, request.path))
  )
}

function matchesHost(pattern: string, host: string): boolean {
  if (!pattern.startsWith("*.")) return pattern === host
  const dot = host.indexOf(".")
  return dot > 0 && host.slice(dot + 1) === pattern.slice(2)
}

function matchesPath(pattern: string, path: string): boolean {
  return pattern.endsWith("*") ? path.startsWith(pattern.slice(0, -1)) : path === pattern
}

function refuseBroken(policy: Extract<MachinePolicy, { kind: "broken" }>): Verdict {
  return {
    kind: "refuse",
    rule: policy.rule,
    reason: `nothing may leave this machine: ${policy.reason}`,
    hint: "correct the egress set on the host, then start the machine again",
  }
}

function describeSets(sets: readonly EgressSet[]): string {
  if (sets.length === 0) return "this machine's egress sets (it has none)"
  return `the egress set${sets.length > 1 ? "s" : ""} ${sets.map((set) => set.name).join(", ")}`
}

function hintFor(host: string): string {
  return `if the agent needs it, add a rule for ${host} with its why to an egress set in policies/egress/ and name that set in the machine's card`
}
