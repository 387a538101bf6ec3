/** Sigstore: a certificate for an identity that lasts minutes, a signature by its key, an entry in a public log. */

import { bundleToJSON } from "@sigstore/bundle"
import { CIContextProvider, DSSEBundleBuilder, FulcioSigner, RekorWitness } from "@sigstore/sign"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { PAYLOAD_TYPE } from "../../contract/provenance.ts"
import type { KeylessChoice } from "../signer.ts"

const TIMEOUT_MS = 30_000
const RETRIES = 2

/** Gives the bundle as JSON. The token is the environment's: of GitHub's or Buildkite's CI, or SIGSTORE_ID_TOKEN. Fault: `sign/keyless`. */
export async function signKeyless(payload: Buffer, { fulcioUrl, rekorUrl }: KeylessChoice): Promise<string> {
  const limits = { timeout: TIMEOUT_MS, retry: RETRIES }
  const signer = new FulcioSigner({
    ...limits,
    ...(fulcioUrl === undefined ? {} : { fulcioBaseURL: fulcioUrl }),
    identityProvider: new CIContextProvider("sigstore"),
  })
  const witness = new RekorWitness({
    ...limits,
    ...(rekorUrl === undefined ? {} : { rekorBaseURL: rekorUrl }),
    entryType: "dsse",
  })
  try {
    const bundle = await new DSSEBundleBuilder({ signer, witnesses: [witness] }).create({
      data: payload,
      type: PAYLOAD_TYPE,
    })
    return `${JSON.stringify(bundleToJSON(bundle))}\n`
  } catch (thrown) {
    throw new Fault("sign/keyless", `the keyless signature failed: ${explain(thrown)}`, {
      hint: "build without --keyless (and without SIGSTORE_ID_TOKEN and STEREO_KEYLESS) to sign by key alone",
      cause: thrown,
    })
  }
}

/** The library's reasons stand in causes of causes; a token must not be printed, which its messages can hold. */
function explain(thrown: unknown): string {
  const reasons: string[] = []
  for (
    let at: unknown = thrown;
    at !== undefined && reasons.length < 4;
    at = at instanceof Error ? at.cause : undefined
  ) {
    reasons.push(
      reasonOf(at).replace(/[\w-]+\.[\w-]+\.[\w-]+/g, (word) => (word.length > 60 ? "(token)" : word)),
    )
  }
  return [...new Set(reasons)].join(": ")
}
