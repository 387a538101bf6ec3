/** What tests of registries share: a home with a signed image that is worth interrupting, another home, and clients. */

import { createHash, randomBytes } from "node:crypto"
import { existsSync, mkdirSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { adoptImage } from "../../../builder/adopt-image.ts"
import { openBuildLock } from "../../../builder/build-lock.ts"
import { storedName } from "../../../contract/image-name.ts"
import { silentProgress } from "../../../contract/progress.ts"
import { type PulledImage, pullImage } from "../../../publish/oci/pull-image.ts"
import { type PushReport, pushImage } from "../../../publish/oci/push-image.ts"
import { parseReference } from "../../../publish/oci/reference.ts"
import { openAuthority } from "../../../publish/oci/registry/authority.ts"
import type { Credential } from "../../../publish/oci/registry/docker-config.ts"
import { openRegistryClient, type RegistryClient } from "../../../publish/oci/registry/registry-client.ts"
import { findOrigin, openTransport } from "../../../publish/oci/registry/transport.ts"
import { readTrustedKeys, trustKey } from "../../../trust/trusted-keys.ts"
import { type ImageFolder, openTestStore, type TestStore } from "../../trust/image-folder.ts"

/** Two chunks of an upload and a bit; what is in it does not compress. */
const ROOT_BYTES = 18 << 20

export interface Lab extends AsyncDisposable {
  readonly image: ImageFolder
  readonly from: TestStore
  readonly to: TestStore
  push(reference: string, options?: Options): Promise<PushReport>
  pull(reference: string, options?: Options): Promise<PulledImage & { readonly dir: string }>
  /** What lies where images are in the home that pulls; names that begin with a dot are of no image. */
  pulled(): { readonly images: string[]; readonly hidden: string[] }
}

export interface Options {
  readonly credential?: Credential
  readonly signal?: AbortSignal
  readonly mountFrom?: string
  readonly image?: ImageFolder
  readonly onNote?: (text: string) => void
}

/** The home that pulls trusts the one that pushes, unless `strangers`. */
export async function openLab({ strangers = false }: { readonly strangers?: boolean } = {}): Promise<Lab> {
  const ruleset = Buffer.from(JSON.stringify(Array.from({ length: 4000 }, (_, index) => ({ rule: index }))))
  const from = openTestStore({ root: randomBytes(ROOT_BYTES), ruleset })
  const to = openTestStore()
  const image = await from.store("base")
  const [own] = await readTrustedKeys(from.home)
  if (own !== undefined && !strangers) await trustKey(to.home, { ...own, name: "pusher" })
  const clients: AsyncDisposable[] = []
  const client = async (registry: string, credential: Credential): Promise<RegistryClient> => {
    const transport = openTransport({ plainHttp: false, proxy: { https: "", http: "", except: "" } })
    clients.push(transport)
    const origin = await findOrigin(transport, registry, false, new AbortController().signal)
    const authority = openAuthority(transport, origin, async () => credential)
    return openRegistryClient({ origin, transport, authority, now: Date.now, firstWaitMs: 5 })
  }
  const common = async (
    text: string,
    { credential = { kind: "none" }, signal, onNote = () => undefined }: Options,
  ) => {
    const reference = parseReference(text)
    return {
      ...{ client: await client(reference.registry, credential), reference, parallel: 3, now: Date.now },
      signal: signal ?? new AbortController().signal,
      progress: {
        ...silentProgress,
        step: (_: string, work: (note: (text: string) => void) => unknown) => work(onNote),
      } as typeof silentProgress, // a step is its work
    }
  }
  return {
    ...{ image, from, to },
    async push(text, options = {}) {
      const workDir = join(from.home.cache, "oci")
      mkdirSync(workDir, { recursive: true })
      const mountFrom = options.mountFrom ?? null
      return pushImage({
        ...(await common(text, options)),
        image: options.image ?? image,
        mountFrom,
        workDir,
      })
    },
    async pull(text, options = {}) {
      const request = await common(text, options)
      const keys = await readTrustedKeys(to.home)
      const imagesDir = join(to.home.images, "by-digest")
      mkdirSync(imagesDir, { recursive: true })
      const hold = (dir: string) => openBuildLock(dir, () => undefined, request.signal)
      return pullImage({ ...request, keys, imagesDir, name: null, hold }, async (work, pulled) => {
        const { digest, manifest } = pulled
        return { ...pulled, dir: await adoptImage(to.home, work, { digest, name: storedName(manifest) }) }
      })
    },
    pulled() {
      const dir = join(to.home.images, "by-digest")
      const names = existsSync(dir) ? readdirSync(dir) : []
      const hidden = names.filter((name) => name.startsWith("."))
      return { images: names.filter((name) => !name.startsWith(".")), hidden }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(clients.map((one) => one[Symbol.asyncDispose]()))
      from[Symbol.dispose]()
      to[Symbol.dispose]()
    },
  }
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}
