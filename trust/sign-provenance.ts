/** Writes an image's provenance beside its manifest: signed by a key, and where asked for by an identity as well. */

import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { PAYLOAD_TYPE, PROVENANCE_FILES, type ProvenanceStatement } from "../contract/provenance.ts"
import { encodeForSigning, renderEnvelope } from "./dsse/envelope.ts"
import type { KeylessChoice, Signer } from "./signer.ts"

export interface ProvenanceRequest {
  readonly statement: ProvenanceStatement
  readonly signer: Signer
  readonly keyless?: KeylessChoice
  /** The image's folder, which nobody reads yet. */
  readonly dir: string
}

/** Faults: those of the signer, `sign/keyless`. */
export async function signProvenance({ statement, signer, keyless, dir }: ProvenanceRequest): Promise<void> {
  const payload = Buffer.from(JSON.stringify(statement))
  const signature = await signer.sign(encodeForSigning(PAYLOAD_TYPE, payload))
  const text = renderEnvelope(PAYLOAD_TYPE, payload, signature, signer.publicKey.id)
  await writeFile(join(dir, PROVENANCE_FILES.envelope), text)
  if (keyless === undefined) return
  // a heavy library that most builds have no use for
  const { signKeyless } = await import("./sigstore/sign-keyless.ts")
  await writeFile(join(dir, PROVENANCE_FILES.bundle), await signKeyless(payload, keyless))
}
