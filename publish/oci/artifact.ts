/** An image as an OCI artifact: its media types, and the OCI manifest that names its files as layers. */

import { createHash } from "node:crypto"
import { z } from "zod"
import { Fault } from "../../contract/fault.ts"

/** Of the OCI image spec 1.1; an artifact's manifest is an image manifest with an `artifactType`. */
export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json"

export const MEDIA = {
  artifact: "application/vnd.stereo.image.v1",
  /** The config: manifest.toml. */
  manifest: "application/vnd.stereo.image.manifest.v1+toml",
  /** A file that manifest.toml names, as it is. */
  file: "application/vnd.stereo.image.file.v1",
  fileZstd: "application/vnd.stereo.image.file.v1+zstd",
  /** A DSSE envelope or a Sigstore bundle, which manifest.toml does not name. */
  provenance: "application/vnd.stereo.image.provenance.v1+json",
} as const

export const ANNOTATION = {
  /** The file's name in the image's folder. */
  title: "org.opencontainers.image.title",
  /** Of a layer that is compressed: what it is without. */
  sha256: "vnd.stereo.image.uncompressed.sha256",
  sizeBytes: "vnd.stereo.image.uncompressed.size",
  /** Of the whole: what `stereo images ls` shows. */
  name: "vnd.stereo.image.name",
  profile: "vnd.stereo.image.profile",
  digest: "vnd.stereo.image.digest",
} as const

/** Larger than any that is made here: a dozen layers have about 5 kB. */
export const MAX_OCI_MANIFEST_BYTES = 1 << 20

const descriptor = z.strictObject({
  mediaType: z.string().max(255),
  digest: z.string().regex(/^sha256:[0-9a-f]{64}$/, "expected sha256: and 64 lower-case hex digits"),
  size: z.int().nonnegative(),
  annotations: z.record(z.string(), z.string()).optional(),
})
export type Descriptor = z.infer<typeof descriptor>

const layer = descriptor.extend({
  mediaType: z.enum([MEDIA.file, MEDIA.fileZstd, MEDIA.provenance]),
  annotations: z
    .object({ [ANNOTATION.title]: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/) })
    .catchall(z.string()),
})

const artifactManifest = z.strictObject({
  schemaVersion: z.literal(2),
  mediaType: z.literal(OCI_MANIFEST),
  artifactType: z.literal(MEDIA.artifact),
  config: descriptor.extend({ mediaType: z.literal(MEDIA.manifest) }),
  layers: z.array(layer).min(1).max(64),
  annotations: z.record(z.string(), z.string()).optional(),
})
export type ArtifactManifest = z.infer<typeof artifactManifest>

/** `sha256:` and the digest of some bytes. */
export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`
}

/** The bytes whose digest is the artifact's: the same document gives the same bytes. */
export function renderArtifact(document: ArtifactManifest): Buffer {
  return Buffer.from(JSON.stringify(artifactManifest.parse(document)))
}

/** `from`: shown in errors. Faults: `artifact/not-an-image`, `artifact/bad-manifest`. */
export function parseArtifact(bytes: Buffer, from: string): ArtifactManifest {
  const document = readJson(bytes, from)
  const type = artifactTypeOf(document)
  if (type !== MEDIA.artifact) {
    throw new Fault("artifact/not-an-image", `${from} is no image of stereo: its artifact type is ${type}`, {
      hint: `expected ${MEDIA.artifact}, which \`stereo push\` writes`,
    })
  }
  const parsed = artifactManifest.safeParse(document)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    throw badManifest(
      from,
      `${issue?.path.join(".") || "(document)"}: ${issue?.message ?? "is not as expected"}`,
    )
  }
  const names = parsed.data.layers.map(({ annotations }) => annotations[ANNOTATION.title])
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) throw badManifest(from, `two layers are called ${twice}`)
  return parsed.data
}

function readJson(bytes: Buffer, from: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"))
  } catch (cause) {
    throw new Fault("artifact/bad-manifest", `${from}: the OCI manifest is not JSON`, { cause })
  }
}

function artifactTypeOf(document: unknown): string {
  const known = z.looseObject({ artifactType: z.string().optional(), mediaType: z.string().optional() })
  const parsed = known.safeParse(document)
  if (!parsed.success) return "none"
  return parsed.data.artifactType ?? `none (its media type is ${parsed.data.mediaType ?? "none"})`
}

function badManifest(from: string, reason: string): Fault {
  return new Fault("artifact/bad-manifest", `${from}: the OCI manifest: ${reason}`, {
    hint: "it was not written by this version of stereo, or was changed since; push the image again",
  })
}
