/** How an image came to be, as others read it: an in-toto Statement v1 with SLSA's provenance predicate v1. */

import { z } from "zod"

/** Beside manifest.toml, and named by neither it nor itself: signatures are not the same twice. */
export const PROVENANCE_FILES = {
  envelope: "provenance.dsse.json",
  bundle: "provenance.sigstore.json",
} as const

export const STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
export const PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
export const PAYLOAD_TYPE = "application/vnd.in-toto+json"
/** What `externalParameters` mean: docs/trust.md. */
export const BUILD_TYPE = "urn:stereo:build-type:image:v1"

const digestSet = z.record(z.string().regex(/^[A-Za-z0-9]+$/), z.string().regex(/^[0-9a-f]+$/))

/** Something that went in: a package's archive, the tools, the project's own sources. */
const resource = z.strictObject({
  name: z.string().optional(),
  uri: z.string().optional(),
  digest: digestSet,
  annotations: z.record(z.string(), z.union([z.string(), z.boolean()])).optional(),
})
export type ProvenanceResource = z.infer<typeof resource>

export const provenanceStatement = z.strictObject({
  _type: z.literal(STATEMENT_TYPE),
  /** The manifest and every file that it names, by sha256. */
  subject: z.array(z.strictObject({ name: z.string().min(1), digest: digestSet })).min(1),
  predicateType: z.literal(PREDICATE_TYPE),
  predicate: z.strictObject({
    buildDefinition: z.strictObject({
      buildType: z.literal(BUILD_TYPE),
      /** What whoever built it asked for. */
      externalParameters: z.strictObject({
        image: z.string(),
        profile: z.string(),
        /** sha256 of the files that define it, by their path in the project. */
        definitions: z.record(z.string(), z.string()),
      }),
      /** sha256 of the resolved plan; the manifest has it, too. */
      internalParameters: z.strictObject({ plan: z.string() }),
      resolvedDependencies: z.array(resource),
    }),
    runDetails: z.strictObject({
      builder: z.strictObject({ id: z.string(), version: z.record(z.string(), z.string()) }),
      metadata: z.strictObject({
        invocationId: z.string(),
        startedOn: z.iso.datetime(),
        finishedOn: z.iso.datetime(),
      }),
    }),
  }),
})
export type ProvenanceStatement = z.infer<typeof provenanceStatement>
