/** Reads `policies/cases/NAME.toml`, and decides a case as the gateway decides the same request of a guest. */

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { z } from "zod"
import type { EgressPolicy } from "../../../contract/egress-grant.ts"
import { parseToml } from "../../../contract/toml.ts"
import { refuseByBody } from "../../../host-proxy/policy/check-body.ts"
import { decideEgress } from "../../../host-proxy/policy/decide-egress.ts"
import { normaliseRequest } from "../../../host-proxy/policy/normalise.ts"
import { projectDir } from "../../rules/sources.ts"

export const egressCases = z.strictObject({
  sets: z.array(z.string()).min(1),
  case: z
    .array(
      z.strictObject({
        request: z.string().regex(/^[A-Z]+ https?:\/\/\S+$/, "expected a method and an address"),
        body: z.string().optional(),
        expect: z.enum(["allow", "refuse"]),
        rule: z.string().regex(/^egress\//, "expected a rule such as egress/npm#1 or egress/no-rule"),
        why: z.string().min(4, "expected what this request is, in words"),
      }),
    )
    .min(1),
})
export type EgressCase = z.infer<typeof egressCases>["case"][number]

export interface CasesFile {
  readonly name: string
  readonly sets: readonly string[]
  readonly cases: readonly EgressCase[]
}

export function readCases(): readonly CasesFile[] {
  const folder = join(projectDir, "policies/cases")
  return readdirSync(folder).map((file) => {
    const text = readFileSync(join(folder, file), "utf8")
    const parsed = parseToml({ text, file: `policies/cases/${file}`, stage: "cases" }, egressCases)
    return { name: file.replace(/\.toml$/, ""), sets: parsed.sets, cases: parsed.case }
  })
}

export function decideCase({ request, body }: EgressCase, policy: EgressPolicy, today: string) {
  const [method = "", scheme = "", authority = "", target = ""] =
    /^([A-Z]+) (https?):\/\/([^/]+)(.*)$/.exec(request)?.slice(1) ?? []
  const claims = { exchange: null, process: null, sni: null, session: null }
  const normal = normaliseRequest({ method, scheme, authority, target, headers: [], claims })
  if ("refusal" in normal) return { expect: "refuse", rule: normal.refusal.rule }
  const verdict = decideEgress(normal.request, policy, today)
  if (verdict.kind === "refuse") return { expect: "refuse", rule: verdict.rule }
  const check = verdict.grant?.bodyCheck
  const wrong = check ? refuseByBody(check, [], body === undefined ? null : Buffer.from(body)) : null
  return wrong ? { expect: "refuse", rule: wrong.rule } : { expect: "allow", rule: verdict.rule }
}
