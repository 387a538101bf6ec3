/** Renders what is said of a build: which files came out, what was asked for, what went in. Pure. */

import { createHash } from "node:crypto"
import type { Manifest } from "../../contract/manifest.ts"
import { packageUrl, readDigest } from "../../contract/package-url.ts"
import {
  BUILD_TYPE,
  PREDICATE_TYPE,
  type ProvenanceResource,
  type ProvenanceStatement,
  STATEMENT_TYPE,
} from "../../contract/provenance.ts"
import type { Revision } from "./read-revision.ts"

export interface BuildFacts {
  readonly manifest: Manifest
  readonly manifestText: string
  /** Architecture by the name of a Debian package. */
  readonly archs: ReadonlyMap<string, string>
  /** sha256 of the definitions that were read, by their path in the project. */
  readonly definitions: Readonly<Record<string, string>>
  /** Of the programs that built it. */
  readonly toolsSha256: string
  /** Null: the project is no git checkout. */
  readonly revision: Revision | null
  readonly version: Readonly<Record<string, string>>
  readonly invocationId: string
  /** ISO 8601. */
  readonly startedOn: string
  readonly finishedOn: string
}

export function renderStatement(facts: BuildFacts): ProvenanceStatement {
  const { manifest, manifestText, invocationId, startedOn, finishedOn } = facts
  return {
    _type: STATEMENT_TYPE,
    subject: [
      { name: "manifest.toml", digest: { sha256: createHash("sha256").update(manifestText).digest("hex") } },
      ...Object.values(manifest.files).map(({ name, sha256 }) => ({ name, digest: { sha256 } })),
    ],
    predicateType: PREDICATE_TYPE,
    predicate: {
      buildDefinition: {
        buildType: BUILD_TYPE,
        externalParameters: {
          image: manifest.name,
          profile: manifest.profile,
          definitions: { ...facts.definitions },
        },
        internalParameters: { plan: manifest.plan },
        resolvedDependencies: [
          ...manifest.packages.map((part) => describePackage(part, facts.archs)),
          { name: "tools tree", digest: { sha256: facts.toolsSha256 } },
          ...describeRevision(facts.revision),
        ],
      },
      runDetails: {
        builder: { id: "urn:stereo:builder:local", version: { ...facts.version } },
        metadata: { invocationId, startedOn, finishedOn },
      },
    },
  }
}

function describePackage(part: Manifest["packages"][number], archs: BuildFacts["archs"]): ProvenanceResource {
  const { algorithm, hex } = readDigest(part.digest)
  const arch = part.kind === "deb" ? archs.get(part.name) : undefined
  const uri = packageUrl(arch === undefined ? part : { ...part, arch })
  return { name: part.name, uri, digest: { [algorithm]: hex } }
}

function describeRevision(revision: Revision | null): ProvenanceResource[] {
  if (revision === null) return []
  return [
    {
      name: "project",
      digest: { gitCommit: revision.commit },
      annotations: { dirty: revision.dirty },
    },
  ]
}
