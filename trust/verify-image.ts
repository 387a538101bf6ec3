/** Decides whether an image's folder is what somebody who is trusted signed, and says of each part why not. */

import { Fault } from "../contract/fault.ts"
import { storedName as nameOf } from "../contract/image-name.ts"
import { type Manifest, manifest as manifestShape } from "../contract/manifest.ts"
import {
  PAYLOAD_TYPE,
  PROVENANCE_FILES,
  type ProvenanceStatement,
  provenanceStatement,
} from "../contract/provenance.ts"
import { parseToml } from "../contract/toml.ts"
import { openEnvelope } from "./dsse/envelope.ts"
import { checkContents, type Depth } from "./image/check-contents.ts"
import { checkParameters, checkSubjects, MANIFEST_FILE, sha256Of } from "./image/check-subjects.ts"
import { readPlainFile } from "./image/read-plain-file.ts"
import type { PublicKey } from "./public-key.ts"
import type { KeylessExpectation } from "./sigstore/verify-bundle.ts"
import { parseStrictJson } from "./strict-json.ts"
import type { Finding, Verification, Voucher } from "./verification.ts"

export interface VerifyRequest {
  /** The image's folder; its files are read from here, and nothing beside. */
  readonly dir: string
  /** sha256 that the manifest must have; null: whatever it has. */
  readonly digest: string | null
  /** The name under which it was asked for; null: none was. */
  readonly storedName: string | null
  /** Of these one must have signed. */
  readonly keys: readonly PublicKey[]
  /** The Sigstore bundle must be there, too, and be by whom this names. */
  readonly keyless?: KeylessExpectation
  readonly depth: Depth
}

const MAX_MANIFEST_BYTES = 8 << 20
const MAX_ENVELOPE_BYTES = 32 << 20

export async function verifyImage(request: VerifyRequest): Promise<Verification> {
  const signed = await readSigned(request)
  const findings = [...signed.findings]
  // a manifest that nobody vouches for may say anything, at any length: it is not worth reading
  if (findings.length > 0 && request.depth !== "all") return refuse(null, findings)
  const found = await readManifest(request.dir)
  if (found.kind === "finding") return refuse(null, [...findings, found.finding])
  const { digest, manifest } = found
  if (manifest === null) findings.push({ kind: "bad-manifest", file: MANIFEST_FILE, reason: found.reason })
  if (request.digest !== null && request.digest !== digest) {
    const reason = `its sha256 is ${digest}, expected ${request.digest}`
    findings.push({ kind: "wrong-digest", file: MANIFEST_FILE, reason })
  }
  for (const statement of signed.statements) {
    findings.push(...checkSubjects(statement, digest, manifest))
    if (manifest) findings.push(...checkParameters(statement, manifest))
  }
  if (manifest === null) return refuse(digest, findings)
  findings.push(...checkName(manifest, request.storedName))
  if (findings.length > 0 && request.depth !== "all") return refuse(digest, findings)
  findings.push(...(await checkContents(request.dir, manifest, request.depth)))
  const [statement] = signed.statements
  if (findings.length > 0 || statement === undefined) return refuse(digest, findings)
  return { kind: "verified", digest, manifest, statement, vouchers: signed.vouchers }
}

interface Signed {
  readonly statements: readonly ProvenanceStatement[]
  readonly vouchers: readonly Voucher[]
  readonly findings: readonly Finding[]
}

async function readSigned(request: VerifyRequest): Promise<Signed> {
  const byKey = await readEnvelope(request)
  if (request.keyless === undefined) return byKey
  const byIdentity = await readBundle(request.dir, request.keyless)
  return {
    statements: [...byKey.statements, ...byIdentity.statements],
    vouchers: [...byKey.vouchers, ...byIdentity.vouchers],
    findings: [...byKey.findings, ...byIdentity.findings],
  }
}

async function readEnvelope({ dir, keys }: VerifyRequest): Promise<Signed> {
  const file = PROVENANCE_FILES.envelope
  const read = await readPlainFile(dir, file, MAX_ENVELOPE_BYTES)
  if (read.kind === "finding") return noProvenance(read.finding)
  const opened = openEnvelope(read.bytes.toString("utf8"), PAYLOAD_TYPE, keys)
  if (opened.kind !== "signed") {
    return { statements: [], vouchers: [], findings: [{ kind: opened.kind, file, reason: opened.reason }] }
  }
  const { name, id } = opened.key
  return readStatement(opened.payload, file, { kind: "key", name, id })
}

async function readBundle(dir: string, expected: KeylessExpectation): Promise<Signed> {
  const file = PROVENANCE_FILES.bundle
  const read = await readPlainFile(dir, file, MAX_ENVELOPE_BYTES)
  if (read.kind === "finding") return noProvenance(read.finding)
  const { verifyBundle } = await import("./sigstore/verify-bundle.ts")
  const verdict = verifyBundle(read.bytes.toString("utf8"), expected)
  if (verdict.kind === "refused") {
    return { statements: [], vouchers: [], findings: [{ kind: "bad-bundle", file, reason: verdict.reason }] }
  }
  const { identity, issuer } = expected
  return readStatement(verdict.payload, file, { kind: "identity", identity, issuer })
}

function noProvenance(finding: Finding): Signed {
  const kind = finding.kind === "missing-file" ? "no-provenance" : finding.kind
  return { statements: [], vouchers: [], findings: [{ ...finding, kind }] }
}

function readStatement(payload: Buffer, file: string, voucher: Voucher): Signed {
  const bad = (reason: string): Signed => {
    return { statements: [], vouchers: [], findings: [{ kind: "bad-statement", file, reason }] }
  }
  const json = parseStrictJson(payload.toString("utf8"))
  if (json.kind === "refused") return bad(json.reason)
  const parsed = provenanceStatement.safeParse(json.value)
  if (parsed.success) return { statements: [parsed.data], vouchers: [voucher], findings: [] }
  const [issue] = parsed.error.issues
  return bad(`${issue?.path.join(".") || "(document)"}: ${issue?.message ?? "is not provenance"}`)
}

type ReadManifest =
  | { readonly kind: "finding"; readonly finding: Finding }
  | { readonly kind: "read"; readonly digest: string; readonly manifest: Manifest; readonly reason: "" }
  | { readonly kind: "read"; readonly digest: string; readonly manifest: null; readonly reason: string }

async function readManifest(dir: string): Promise<ReadManifest> {
  const read = await readPlainFile(dir, MANIFEST_FILE, MAX_MANIFEST_BYTES)
  if (read.kind === "finding") {
    const kind = read.finding.kind === "missing-file" ? "no-manifest" : read.finding.kind
    return { kind: "finding", finding: { ...read.finding, kind } }
  }
  const digest = sha256Of(read.bytes)
  try {
    const source = { text: read.bytes.toString("utf8"), file: MANIFEST_FILE, stage: "image" }
    return { kind: "read", digest, manifest: parseToml(source, manifestShape), reason: "" }
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
    return { kind: "read", digest, manifest: null, reason: thrown.message }
  }
}

/** Else another image that was signed as well could be put in this one's place. */
function checkName(manifest: Manifest, storedName: string | null): Finding[] {
  if (storedName === null || storedName === nameOf(manifest)) return []
  const reason = `it is the image ${nameOf(manifest)}, and it was asked for as ${storedName}`
  return [{ kind: "wrong-name", file: MANIFEST_FILE, reason }]
}

function refuse(digest: string | null, findings: readonly Finding[]): Verification {
  const [first, ...rest] = findings
  if (first === undefined) {
    throw new Fault("trust/no-reason", "an image was neither verified nor refused with a reason", {
      hint: "a defect of stereo",
    })
  }
  return { kind: "refused", digest, findings: [first, ...rest] }
}
