/** Checks a Sigstore bundle against a trusted root that the caller gives: who signed, in which log it stands. */

import { bundleFromJSON } from "@sigstore/bundle"
import { TrustedRoot } from "@sigstore/protobuf-specs"
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { PAYLOAD_TYPE } from "../../contract/provenance.ts"
import { parseStrictJson } from "../strict-json.ts"

export interface KeylessExpectation {
  /** Text of a `trusted_root.json`: authorities and logs that count. */
  readonly trustedRoot: string
  /** What the certificate must name, for example a workflow's address. */
  readonly identity: string
  /** Who must have vouched for it. */
  readonly issuer: string
}

export type BundleVerdict =
  | { readonly kind: "signed"; readonly payload: Buffer }
  | { readonly kind: "refused"; readonly reason: string }

/** Fault: `keys/bad-root`, when the trusted root itself cannot be read. */
export function verifyBundle(text: string, expected: KeylessExpectation): BundleVerdict {
  const verifier = openVerifier(expected.trustedRoot)
  const json = parseStrictJson(text)
  if (json.kind === "refused") return { kind: "refused", reason: json.reason }
  try {
    const bundle = bundleFromJSON(json.value)
    if (bundle.content.$case !== "dsseEnvelope")
      return { kind: "refused", reason: "it holds no DSSE envelope" }
    const { payload, payloadType } = bundle.content.dsseEnvelope
    if (payloadType !== PAYLOAD_TYPE) {
      return { kind: "refused", reason: `it holds ${JSON.stringify(payloadType)}, expected ${PAYLOAD_TYPE}` }
    }
    verifier.verify(toSignedEntity(bundle), {
      subjectAlternativeName: exactly(expected.identity),
      extensions: { issuer: expected.issuer },
    })
    return { kind: "signed", payload: Buffer.from(payload) }
  } catch (thrown) {
    return { kind: "refused", reason: reasonOf(thrown) }
  }
}

/** The library takes a pattern, also where it is given a text. */
function exactly(text: string): RegExp {
  return new RegExp(`^${RegExp.escape(text)}$`)
}

function openVerifier(trustedRoot: string): Verifier {
  try {
    return new Verifier(toTrustMaterial(TrustedRoot.fromJSON(JSON.parse(trustedRoot))))
  } catch (cause) {
    throw new Fault("keys/bad-root", `the trusted root of Sigstore cannot be read: ${reasonOf(cause)}`, {
      hint: "give a trusted_root.json as Sigstore publishes it",
      cause,
    })
  }
}
