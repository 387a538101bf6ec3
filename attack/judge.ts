/** From what the witnesses saw to a verdict: pure, and deaf to what the guest says of its success. */

import type { ArchivedCall, Evidence, Touch } from "./evidence.ts"
import type { AttackCase } from "./vector.ts"

/** held: as promised · through: not · untried: no witness can say, so nothing is proven · skipped: with a reason. */
export interface Verdict {
  readonly kind: "held" | "through" | "untried" | "skipped"
  /** In words, what was seen. */
  readonly seen: string
  /** The rules by which the host refused. */
  readonly rules: readonly string[]
}

export function judge(attack: AttackCase, evidence: Evidence): Verdict {
  const { vector } = attack
  const rules = [...new Set(evidence.calls.map(({ rule }) => rule ?? "").filter((rule) => rule !== ""))]
  const verdict = (kind: Verdict["kind"], seen: string): Verdict => ({ kind, seen, rules })
  if (vector.expected === "NP") return verdict("skipped", vector.reason ?? "not promised")
  if (vector.how.kind === "host") return judgeFact(evidence.hostFact)
  const leaks = findLeaks(attack, evidence)
  if (leaks.length > 0) return verdict("through", leaks.slice(0, 3).join("; "))
  if (evidence.report === null) return verdict("untried", "the guest did not report that it tried")
  const missing = findMissing(attack, evidence)
  if (missing !== null) return verdict("untried", missing)
  return verdict("held", describeHeld(attack, evidence))
}

function judgeFact(fact: string | null): Verdict {
  return fact === null
    ? { kind: "held", seen: "as promised, read by the host", rules: [] }
    : { kind: "through", seen: fact, rules: [] }
}

/** Whatever was seen where nothing may be. */
function findLeaks(attack: AttackCase, evidence: Evidence): string[] {
  const { vector, from } = attack
  const touches = evidence.touches.filter((touch) => !mayBeTouched(attack, touch))
  const passed = vector.expected === "BND" || vector.reaches ? [] : evidence.calls.filter(hasLeft)
  const large = evidence.calls.filter(
    ({ requestBytes }) => requestBytes > (vector.maxBytes ?? Number.POSITIVE_INFINITY),
  )
  const whole = vector.cut ? evidence.calls.filter((call) => call.outcome === "complete") : []
  return [
    ...touches.map((touch) => `${touch.protocol} reached ${touch.address}:${touch.port}`),
    ...(vector.reaches ? [] : evidence.questions.map(({ name }) => `the DNS sink was asked for ${name}`)),
    ...(from === "agent" ? evidence.frames.map((what) => `on the wire: ${what}`) : []),
    ...evidence.gains,
    ...evidence.namespace.map((what) => `QEMU's namespace: ${what}`),
    ...passed.map((call) => `the host let ${call.method} ${call.authority} through (${call.rule})`),
    ...large.map(({ authority, requestBytes }) => `${requestBytes} bytes left for ${authority}`),
    ...whole.map((call) => `${call.authority} answered whole, though it had to be cut`),
    ...(evidence.hostFact === null ? [] : [evidence.hostFact]),
  ]
}

/** Upstreams of allowed hosts may be called where that is promised; an allowed name's public address, too. */
function mayBeTouched({ vector }: AttackCase, touch: Touch): boolean {
  if (touch.protocol === "upstream") return vector.expected === "BND"
  // a handshake may begin; what comes after one that had to fail may not
  if (vector.cut && touch.protocol === "tls") return false
  return vector.reaches === true && touch.address === PUBLIC_CANARY
}

/** The address that names of the world resolve to, where nothing else is meant. */
export const PUBLIC_CANARY = "93.184.216.34"

function hasLeft(call: ArchivedCall): boolean {
  return call.outcome !== "refused"
}

/** What must be there for the verdict to be more than silence. */
function findMissing({ vector, from }: AttackCase, { calls, frames }: Evidence): string | null {
  const refused = calls.filter((call) => call.outcome === "refused")
  if (vector.expected === "BND") return calls.length > 0 ? null : "no row of the archive tells of it"
  if (vector.how.kind === "frames" && from === "root" && frames.length === 0) {
    return "no frame of it was seen on the wire, so nothing was tried"
  }
  if (vector.expected !== "403") return null
  if (refused.length === 0) return "no refusal of it stands in the archive"
  const known = vector.rules
  if (known && !refused.some(({ rule }) => rule !== null && known.includes(rule))) {
    return `refused by ${refused[0]?.rule}, expected ${known.join(" or ")}`
  }
  const mute = refused.find(({ explained }) => explained === false)
  return mute ? "the refusal does not say rule, reason and how to ask" : null
}

function describeHeld({ vector }: AttackCase, { calls, frames }: Evidence): string {
  const refused = calls.find((call) => call.outcome === "refused")
  if (refused) return `${refused.status} ${refused.rule}`
  const bytes = calls.reduce((sum, call) => sum + call.requestBytes, 0)
  if (vector.expected === "BND") return `${calls.length} recorded, ${bytes} bytes`
  if (frames.length > 0) return `${frames.length} frames on the wire, none beyond it`
  return "nothing at any witness"
}
