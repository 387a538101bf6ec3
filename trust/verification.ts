/** What is found when an image is checked: an outcome, with each reason why not. */

import type { Manifest } from "../contract/manifest.ts"
import type { ProvenanceStatement } from "../contract/provenance.ts"

/** Stable, so that scripts can rely on it. */
export type FindingKind =
  | "no-provenance"
  | "bad-envelope"
  | "wrong-payload-type"
  | "bad-signature"
  | "unknown-key"
  | "bad-bundle"
  | "bad-statement"
  | "wrong-subject"
  | "no-manifest"
  | "bad-manifest"
  | "wrong-digest"
  | "wrong-name"
  | "missing-file"
  | "not-a-plain-file"
  | "wrong-size"
  | "wrong-hash"
  | "unexpected-file"
  | "wrong-measurement"
  | "wrong-root-hash"
  | "incomplete-sbom"

export interface Finding {
  readonly kind: FindingKind
  /** The file of the image that it is about. */
  readonly file: string
  readonly reason: string
}

/** Who vouches for the image. */
export type Voucher =
  | { readonly kind: "key"; readonly name: string; readonly id: string }
  | { readonly kind: "identity"; readonly identity: string; readonly issuer: string }

export interface VerifiedImage {
  readonly kind: "verified"
  /** sha256 of the manifest. */
  readonly digest: string
  /** Read from the very bytes that were checked. */
  readonly manifest: Manifest
  readonly statement: ProvenanceStatement
  readonly vouchers: readonly Voucher[]
}

export type Verification =
  | VerifiedImage
  | {
      readonly kind: "refused"
      readonly digest: string | null
      readonly findings: readonly [Finding, ...Finding[]]
    }
