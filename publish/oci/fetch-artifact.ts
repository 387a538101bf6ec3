/** Gets an artifact's OCI manifest, which must be the one that was asked for. */

import { Fault } from "../../contract/fault.ts"
import {
  type ArtifactManifest,
  digestOf,
  MAX_OCI_MANIFEST_BYTES,
  OCI_INDEX,
  OCI_MANIFEST,
  parseArtifact,
} from "./artifact.ts"
import type { ImageReference } from "./reference.ts"
import { readBytes } from "./registry/read-answer.ts"
import type { RegistryClient } from "./registry/registry-client.ts"

export interface FoundArtifact {
  readonly manifest: ArtifactManifest
  readonly digest: string
}

/** Faults: `registry/not-found`, `registry/wrong-bytes`, `artifact/not-an-image`, `artifact/bad-manifest`, those of registry-client.ts. */
export async function fetchArtifact(
  client: RegistryClient,
  reference: ImageReference,
  signal: AbortSignal,
): Promise<FoundArtifact> {
  const { repository, tag, digest: pinned } = reference
  const wanted = pinned ?? tag ?? "latest"
  const shown = `${client.origin.host}/${repository}${pinned === null ? ":" : "@"}${wanted}`
  const answer = await client.call({
    method: "GET",
    target: `/v2/${repository}/manifests/${wanted}`,
    scope: `repository:${repository}:pull`,
    // an index is asked for as well, so that one is told of it instead of a 404
    headers: { accept: `${OCI_MANIFEST}, ${OCI_INDEX}`, "accept-encoding": "identity" },
    expect: [200, 404],
    signal,
  })
  if (answer.status === 404) {
    answer.body.destroy()
    throw new Fault("registry/not-found", `${shown} is not there`, {
      hint: "are its repository and digest right? A registry says the same where one may not look",
    })
  }
  const bytes = await readBytes(answer, MAX_OCI_MANIFEST_BYTES)
  const digest = digestOf(bytes)
  if (pinned !== null && digest !== pinned) {
    throw new Fault(
      "registry/wrong-bytes",
      `${shown}: the registry answers with another manifest, of digest ${digest}`,
      {
        hint: "it, or something on the way to it, changed it; nothing was kept",
      },
    )
  }
  return { manifest: parseArtifact(bytes, shown), digest }
}
