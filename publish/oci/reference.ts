/** Names of images in registries: `HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]`, as the distribution spec has them. */

import { Fault } from "../../contract/fault.ts"

export interface ImageReference {
  /** Host with its port, as in a URL. */
  readonly registry: string
  readonly repository: string
  readonly tag: string | null
  /** `sha256:` and 64 digits. */
  readonly digest: string | null
}

const HOST = /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::\d{1,5})?$/
const REPOSITORY = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const TAG = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/
const DIGEST = /^sha256:[0-9a-f]{64}$/
const MAX_REPOSITORY = 255

/** No registry is taken for granted: a name without a host would go to somebody. Fault: `registry/bad-reference`. */
export function parseReference(text: string): ImageReference {
  const bad = (reason: string) =>
    new Fault("registry/bad-reference", `${JSON.stringify(text)}: ${reason}`, {
      hint: "write it as HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST], for example registry.example:5000/team/base:1",
    })
  const [named = "", ...digests] = text.split("@")
  if (digests.length > 1) throw bad("it has more than one @")
  const [digest = null] = digests
  if (digest !== null && !DIGEST.test(digest))
    throw bad("after @ a sha256: and 64 lower-case hex digits are expected")
  const slash = named.indexOf("/")
  if (slash === -1) throw bad("it names no registry")
  const registry = named.slice(0, slash)
  if (!isHost(registry))
    throw bad(`${JSON.stringify(registry)} is no registry's host: it needs a dot, a port, or to be localhost`)
  const path = named.slice(slash + 1)
  const colon = path.lastIndexOf(":")
  const repository = colon === -1 ? path : path.slice(0, colon)
  const tag = colon === -1 ? null : path.slice(colon + 1)
  if (repository.length > MAX_REPOSITORY || !REPOSITORY.test(repository)) {
    throw bad(
      `${JSON.stringify(repository)} cannot be a repository: lower-case letters, digits and . _ - / between them`,
    )
  }
  if (tag !== null && !TAG.test(tag)) throw bad(`${JSON.stringify(tag)} cannot be a tag`)
  return { registry, repository, tag, digest }
}

/** The reference that means the same bytes for ever. */
export function renderPinned({ registry, repository, tag }: ImageReference, digest: string): string {
  return `${registry}/${repository}${tag === null ? "" : `:${tag}`}@${digest}`
}

function isHost(text: string): boolean {
  if (!HOST.test(text) || !URL.canParse(`https://${text}`)) return false
  return text.includes(".") || text.includes(":") || text === "localhost"
}
