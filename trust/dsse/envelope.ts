/** DSSE, the envelope of a signed statement: what is signed is the payload's type together with its bytes. */

import { verify } from "node:crypto"
import { z } from "zod"
import type { PublicKey } from "../public-key.ts"
import { parseStrictJson } from "../strict-json.ts"

/** Standard base64 with its padding, spelt in the one way that encoding gives. */
const base64 = z
  .string()
  .refine((text) => Buffer.from(text, "base64").toString("base64") === text, "expected standard base64")

const envelope = z.strictObject({
  payloadType: z.string().min(1).max(256),
  payload: base64,
  signatures: z
    .array(z.strictObject({ keyid: z.string().max(256).optional(), sig: base64 }))
    .min(1)
    .max(32),
})
export type Envelope = z.infer<typeof envelope>

export type OpenedEnvelope =
  | { readonly kind: "signed"; readonly payload: Buffer; readonly key: PublicKey }
  | { readonly kind: EnvelopeFailure; readonly reason: string; readonly payload?: Buffer }

export type EnvelopeFailure = "bad-envelope" | "wrong-payload-type" | "bad-signature" | "unknown-key"

/** What is signed (DSSE's PAE): lengths stand before what they measure, so that no two pairs give the same bytes. */
export function encodeForSigning(payloadType: string, payload: Buffer): Buffer {
  const type = Buffer.from(payloadType)
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    payload,
  ])
}

/** One line of JSON with its end. */
export function renderEnvelope(
  payloadType: string,
  payload: Buffer,
  signature: Buffer,
  keyId: string,
): string {
  const document: Envelope = {
    payloadType,
    payload: payload.toString("base64"),
    signatures: [{ keyid: keyId, sig: signature.toString("base64") }],
  }
  return `${JSON.stringify(document)}\n`
}

/**
 * Checks the signatures before anybody reads the payload. One by a trusted key is enough; the key's id in the
 * envelope is a hint of whoever wrote it and decides nothing. A payload that no trusted key signed is given
 * as well, to say more of what is wrong; it must not be believed.
 */
export function openEnvelope(text: string, payloadType: string, keys: readonly PublicKey[]): OpenedEnvelope {
  const json = parseStrictJson(text)
  if (json.kind === "refused") return { kind: "bad-envelope", reason: json.reason }
  const parsed = envelope.safeParse(json.value)
  if (!parsed.success) return { kind: "bad-envelope", reason: firstIssue(parsed.error) }
  const { payloadType: type, signatures } = parsed.data
  const payload = Buffer.from(parsed.data.payload, "base64")
  if (type !== payloadType) {
    return { kind: "wrong-payload-type", reason: `it holds ${JSON.stringify(type)}, expected ${payloadType}` }
  }
  const signed = encodeForSigning(type, payload)
  const key = keys.find((one) =>
    signatures.some(({ sig }) => verify(null, signed, one.key, Buffer.from(sig, "base64"))),
  )
  if (key) return { kind: "signed", payload, key }
  return { ...explain(signatures, keys), payload }
}

function explain(signatures: Envelope["signatures"], keys: readonly PublicKey[]) {
  const named = signatures.flatMap(({ keyid }) => (keyid ? [keyid] : []))
  const known = keys.find(({ id }) => named.includes(id))
  if (known) {
    return {
      kind: "bad-signature",
      reason: `the signature names the trusted key ${known.name} (${known.id.slice(0, 16)}) but is not its`,
    } as const
  }
  const ids = named.map((id) => JSON.stringify(id.slice(0, 16))).join(", ")
  return {
    kind: "unknown-key",
    reason: `it is signed by ${ids === "" ? "a key without an id" : `key ${ids}`}, which is not trusted here`,
  } as const
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues
  return `${issue?.path.join(".") || "(document)"}: ${issue?.message ?? "is not an envelope"}`
}
