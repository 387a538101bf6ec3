/** Compares what a signed statement speaks of with what lies there: the manifest, and each file that it names. */

import { createHash } from "node:crypto"
import type { Manifest } from "../../contract/manifest.ts"
import type { ProvenanceStatement } from "../../contract/provenance.ts"
import type { Finding } from "../verification.ts"

export const MANIFEST_FILE = "manifest.toml"

export function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}

/** Of the statement's subjects against the manifest that was found; both name the same files, with the same digests. */
export function checkSubjects(
  statement: ProvenanceStatement,
  digest: string,
  manifest: Manifest | null,
): Finding[] {
  const subjects = new Map(statement.subject.map(({ name, digest: { sha256 } }) => [name, sha256]))
  const wrong = (file: string, reason: string): Finding => ({ kind: "wrong-subject", file, reason })
  if (subjects.size !== statement.subject.length) {
    return [wrong(MANIFEST_FILE, "the provenance names a file twice")]
  }
  const speaksOf = subjects.get(MANIFEST_FILE)
  if (speaksOf === undefined) return [wrong(MANIFEST_FILE, "the provenance speaks of no manifest")]
  if (speaksOf !== digest) {
    return [wrong(MANIFEST_FILE, `the provenance is another image's, whose manifest has sha256 ${speaksOf}`)]
  }
  if (manifest === null) return []
  const files = Object.values(manifest.files)
  const named = new Set([MANIFEST_FILE, ...files.map(({ name }) => name)])
  return [
    ...files
      .filter(({ name, sha256 }) => subjects.get(name) !== sha256)
      .map(({ name }) => wrong(name, "the provenance and the manifest do not agree on it")),
    ...[...subjects.keys()]
      .filter((name) => !named.has(name))
      .map((name) => wrong(name, "the provenance speaks of it, and the manifest does not")),
  ]
}

/** What else the provenance says that the manifest says as well. */
export function checkParameters({ predicate }: ProvenanceStatement, manifest: Manifest): Finding[] {
  const { externalParameters, internalParameters } = predicate.buildDefinition
  const finding = (what: string, here: string, there: string): Finding => {
    const reason = `${what} is ${JSON.stringify(there)} in the provenance and ${JSON.stringify(here)} in the manifest`
    return { kind: "bad-statement", file: MANIFEST_FILE, reason }
  }
  return [
    ...(externalParameters.image === manifest.name
      ? []
      : [finding("the image's name", manifest.name, externalParameters.image)]),
    ...(externalParameters.profile === manifest.profile
      ? []
      : [finding("the profile", manifest.profile, externalParameters.profile)]),
    ...(internalParameters.plan === manifest.plan
      ? []
      : [finding("the plan", manifest.plan, internalParameters.plan)]),
  ]
}
