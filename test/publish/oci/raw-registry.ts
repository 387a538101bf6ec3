/** Speaks to a registry as whoever may write there, to put things into it that `stereo push` would not. */

import { digestOf, OCI_MANIFEST } from "../../../publish/oci/artifact.ts"

export interface RawDescriptor {
  mediaType: string
  digest: string
  size: number
  annotations?: Record<string, string>
}

export interface RawManifest {
  schemaVersion: number
  mediaType?: string
  artifactType?: string
  config: RawDescriptor
  layers: RawDescriptor[]
  annotations?: Record<string, string>
}

export async function getRaw(place: string, what: string): Promise<Buffer> {
  const [host, repository] = split(place)
  const answer = await fetch(`http://${host}/v2/${repository}/${what}`, { headers: { accept: OCI_MANIFEST } })
  if (!answer.ok) throw new Error(`GET ${place}/${what}: ${answer.status}`)
  return Buffer.from(await answer.arrayBuffer())
}

/** Gives a descriptor of the blob. */
export async function putBlob(place: string, bytes: Buffer): Promise<Pick<RawDescriptor, "digest" | "size">> {
  const [host, repository] = split(place)
  const digest = digestOf(bytes)
  const opened = await fetch(`http://${host}/v2/${repository}/blobs/uploads/`, { method: "POST" })
  const location = new URL(opened.headers.get("location") ?? "", `http://${host}`)
  location.searchParams.set("digest", digest)
  const put = await fetch(location, { method: "PUT", body: new Uint8Array(bytes) })
  if (put.status !== 201) throw new Error(`PUT of a blob: ${put.status} ${await put.text()}`)
  return { digest, size: bytes.length }
}

/** Gives the manifest's digest. */
export async function putManifest(
  place: string,
  manifest: unknown,
  mediaType = OCI_MANIFEST,
): Promise<string> {
  const [host, repository] = split(place)
  const bytes = Buffer.from(JSON.stringify(manifest))
  const put = await fetch(`http://${host}/v2/${repository}/manifests/${digestOf(bytes)}`, {
    ...{ method: "PUT", body: bytes, headers: { "content-type": mediaType } },
  })
  if (put.status !== 201) throw new Error(`PUT of a manifest: ${put.status} ${await put.text()}`)
  return digestOf(bytes)
}

function split(place: string): [host: string, repository: string] {
  const slash = place.indexOf("/")
  return [place.slice(0, slash), place.slice(slash + 1)]
}
