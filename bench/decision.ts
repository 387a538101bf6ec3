/** What the decision alone costs: from the wire's spelling of a request to its verdict, by size of the policy. */

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { EgressGrant, EgressPolicy } from "../contract/egress-grant.ts"
import { readEgressPolicy } from "../contract/read-egress-policy.ts"
import { decideEgress } from "../host-proxy/policy/decide-egress.ts"
import { normaliseRequest } from "../host-proxy/policy/normalise.ts"
import { projectDir } from "../test/e2e/test-home.ts"
import { type Figure, summarise } from "./report.ts"

const BATCH = 20_000
const BATCHES = 15
const TODAY = "2026-11-25"

export function benchDecision(): readonly Figure[] {
  const sets = readSets()
  return [
    timeCalls("decision: all ready sets, first rule fits", sets, hostOf(sets, 0)),
    timeCalls("decision: all ready sets, no rule fits", sets, "nobody.example"),
    timeCalls("decision: 1,000 rules, no rule fits", synthetic(1000), "nobody.example"),
  ]
}

/** A batch is timed as a whole: the clock costs more than a decision. */
function timeCalls(what: string, policy: EgressPolicy, host: string): Figure {
  const claims = { exchange: null, process: null, sni: host, session: null }
  const headers = [["content-type", "application/json"]] as const
  const head = {
    method: "POST",
    scheme: "https",
    authority: host,
    target: "/v1/messages",
    headers,
    claims,
  }
  const decide = () => {
    const normal = normaliseRequest(head)
    return "refusal" in normal ? normal : decideEgress(normal.request, policy, TODAY)
  }
  const times: number[] = []
  for (let batch = -3; batch < BATCHES; batch += 1) {
    const startedAt = performance.now()
    for (let index = 0; index < BATCH; index += 1) decide()
    if (batch >= 0) times.push(((performance.now() - startedAt) / BATCH) * 1000)
  }
  return summarise(what, "µs", times)
}

function readSets(): EgressPolicy {
  const dir = join(projectDir, "policies/egress")
  const names = readdirSync(dir).flatMap((name) =>
    name.endsWith(".toml") ? [name.slice(0, -".toml".length)] : [],
  )
  return readEgressPolicy(
    names.map((name) => ({ name, text: readFileSync(join(dir, `${name}.toml`), "utf8") })),
  )
}

function hostOf(policy: EgressPolicy, index: number): string {
  return policy.kind === "rules" ? (policy.grants[index]?.host ?? "") : ""
}

function synthetic(count: number): EgressPolicy {
  const grants = Array.from({ length: count }, (_none, index): EgressGrant => {
    return {
      ...{ id: `egress/bench#${index + 1}`, source: { file: "bench", line: 0 }, why: "", owner: "" },
      ...{ scheme: "https", host: `service-${index}.example.com`, port: 443, query: "any" },
      ...{ methods: ["GET", "POST"], paths: ["/v1/**"], bodyCheck: null, websocket: false },
      ...{ maxRequestBytes: null, budgetBytes: null, maxPathBytes: null, git: null, expires: null },
    }
  })
  return { kind: "rules", sets: ["bench"], grants, denials: [] }
}
