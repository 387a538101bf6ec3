/** Which layer holds which file of a verified image; whatever does not fit exactly is refused. */

import { Fault } from "../../contract/fault.ts"
import type { Manifest } from "../../contract/manifest.ts"
import { PROVENANCE_FILES } from "../../contract/provenance.ts"
import { ANNOTATION, type ArtifactManifest, type Descriptor, MEDIA } from "./artifact.ts"

export interface PlannedFile {
  readonly name: string
  /** What is downloaded. */
  readonly blob: Descriptor
  /** Whether the blob is the file compressed. */
  readonly compressed: boolean
  /** What the file must be, by the manifest that is signed. */
  readonly sha256: string
  readonly sizeBytes: number
}

/** A file that compresses worse is kept as it is: a blob that is larger than this is no honest one. */
const ZSTD_MARGIN_BYTES = 65_536

/** What must be there before anything is believed: manifest.toml, and what vouches for it. */
export function planSigned(artifact: ArtifactManifest): readonly Descriptor[] {
  const names: readonly string[] = Object.values(PROVENANCE_FILES)
  const provenance = artifact.layers.filter(({ mediaType }) => mediaType === MEDIA.provenance)
  for (const { annotations } of provenance) {
    if (names.includes(annotations[ANNOTATION.title])) continue
    throw unfit(annotations[ANNOTATION.title], "it is said to be provenance, which has another name")
  }
  if (provenance.some(({ annotations }) => annotations[ANNOTATION.title] === PROVENANCE_FILES.envelope)) {
    return [withTitle(artifact.config, "manifest.toml"), ...provenance]
  }
  throw new Fault(
    "artifact/not-signed",
    `the artifact has no ${PROVENANCE_FILES.envelope}: nobody vouches for it`,
    {
      hint: "build the image again, which signs it, and push it",
    },
  )
}

/** The rest. `manifest` is verified; the artifact is not, and says nothing that is believed. Fault: `artifact/unfit`. */
export function planFiles(artifact: ArtifactManifest, manifest: Manifest): readonly PlannedFile[] {
  const files = new Map(Object.values(manifest.files).map((file) => [file.name, file]))
  const planned = artifact.layers.flatMap((layer): PlannedFile[] => {
    if (layer.mediaType === MEDIA.provenance) return []
    const name = layer.annotations[ANNOTATION.title]
    const file = files.get(name)
    if (file === undefined) throw unfit(name, "the image's manifest does not name it")
    files.delete(name)
    const { sha256, size_bytes: sizeBytes } = file
    const compressed = layer.mediaType === MEDIA.fileZstd
    if (!compressed && (layer.digest !== `sha256:${sha256}` || layer.size !== sizeBytes)) {
      throw unfit(
        name,
        `it is ${layer.digest} with ${layer.size} bytes, and the image's manifest says sha256:${sha256} with ${sizeBytes}`,
      )
    }
    if (compressed && layer.size > sizeBytes + ZSTD_MARGIN_BYTES) {
      throw unfit(name, `it has ${layer.size} bytes compressed, and ${sizeBytes} when it is not`)
    }
    return [{ name, blob: layer, compressed, sha256, sizeBytes }]
  })
  const [missing] = files.keys()
  if (missing !== undefined) throw unfit(missing, "the image's manifest names it, and no layer holds it")
  return planned
}

function withTitle(blob: Descriptor, title: string): Descriptor {
  return { ...blob, annotations: { [ANNOTATION.title]: title } }
}

function unfit(name: string, reason: string): Fault {
  return new Fault("artifact/unfit", `the artifact's layer ${name}: ${reason}`, {
    hint: "whoever pushed it did not push what was signed; nothing was kept",
  })
}
