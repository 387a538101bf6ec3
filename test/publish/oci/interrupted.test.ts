import { existsSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openUploadNotes } from "../../../publish/oci/registry/upload-notes.ts"
import { type DockerRegistry, openDockerRegistry } from "../../fakes/registry/docker-registry.ts"
import {
  type FaultyProxy,
  type Mishap,
  openFaultyProxy,
  type Passed,
} from "../../fakes/registry/faulty-proxy.ts"
import { openLab } from "./registry-lab.ts"

const CHUNK_BYTES = 8 << 20
let registry: DockerRegistry
let proxy: FaultyProxy
beforeAll(async () => {
  registry = await openDockerRegistry()
  proxy = await openFaultyProxy(registry.host)
}, 300_000)
afterAll(async () => {
  await proxy[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
})

/** The first `times` requests that it fits meet with it. */
function once(fits: (passed: Passed) => boolean, mishap: Mishap, times = 1): void {
  let left = times
  proxy.mishap = (passed) => {
    if (left === 0 || !fits(passed)) return null
    left -= 1
    return mishap
  }
}

function sentBytes(from = 0): number {
  return proxy.passed.slice(from).reduce((sum, one) => sum + one.sentBytes, 0)
}

const isRootGet = (rootDigest: string) => (passed: Passed) =>
  passed.method === "GET" && passed.path.includes(`/blobs/sha256:${rootDigest}`)

describe("a push that is interrupted", () => {
  it("asks for the upload's offset and sends only the chunk that was cut off again", async () => {
    await using lab = await openLab()
    const before = proxy.passed.length
    let patches = 0
    once((one) => one.method === "PATCH" && ++patches === 2, { kind: "cut-request", afterBytes: 3 << 20 })
    const pushed = await lab.push(`${proxy.host}/cut/base:1`)
    const seen = proxy.passed.slice(before)
    const cut = seen.findIndex(({ method, status }) => method === "PATCH" && status === 0)
    expect(seen[cut]?.sentBytes).toBeGreaterThan(0)
    expect(seen.slice(cut).some(({ method, path }) => method === "GET" && path.includes("/uploads/"))).toBe(
      true,
    )
    const total = pushed.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    expect(sentBytes(before)).toBeLessThan(total + CHUNK_BYTES + 65_536)
    expect((await lab.pull(`${registry.host}/cut/base@${pushed.digest}`)).digest).toBe(lab.image.digest)
  })

  it("goes on in another run of the program where the registry has it", async () => {
    await using lab = await openLab()
    const stop = new AbortController()
    let patches = 0
    proxy.mishap = (one) => {
      if (one.method === "PATCH" && ++patches === 2) stop.abort(new Error("stopped by the test"))
      return null
    }
    await expect(lab.push(`${proxy.host}/run/base:1`, { signal: stop.signal })).rejects.toThrow(
      "stopped by the test",
    )
    expect(registry.requests().filter((line) => line.startsWith("PUT /v2/run/base/manifests"))).toEqual([])
    proxy.mishap = () => null
    const before = proxy.passed.length
    const pushed = await lab.push(`${proxy.host}/run/base:1`)
    const root = pushed.blobs.find(({ name }) => name === "root.verity")
    // the second chunk was under way, and was let go to its end
    expect(root?.resumedAt).toBe(2 * CHUNK_BYTES)
    expect(sentBytes(before)).toBeLessThan((root?.sizeBytes ?? 0) - 2 * CHUNK_BYTES + 1_000_000)
    expect(readdirSync(join(lab.from.home.cache, "oci", "uploads"))).toEqual([])
    expect((await lab.pull(`${registry.host}/run/base@${pushed.digest}`)).digest).toBe(lab.image.digest)
  })

  it("begins again when the registry has forgotten the upload", async () => {
    await using lab = await openLab()
    let patches = 0
    const unknown = '{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"blob upload unknown"}]}'
    once((one) => one.method === "PATCH" && ++patches === 2, { kind: "answer", status: 404, body: unknown })
    const pushed = await lab.push(`${proxy.host}/forgotten/base:1`)
    expect((await lab.pull(`${registry.host}/forgotten/base@${pushed.digest}`)).digest).toBe(lab.image.digest)
  })

  it("begins again when what it noted of an earlier run is long gone", async () => {
    await using lab = await openLab()
    const uploads = join(lab.from.home.cache, "oci", "uploads")
    const root = `sha256:${lab.image.manifest.files.root.sha256}`
    const gone = `http://${proxy.host}/v2/gone/base/blobs/uploads/00000000-0000-4000-8000-000000000000?_state=x`
    await openUploadNotes(uploads, `${proxy.host}/gone/base`).write(root, gone)
    const before = proxy.passed.length
    const pushed = await lab.push(`${proxy.host}/gone/base:1`)
    expect(
      proxy.passed.slice(before).some(({ path, status }) => path.includes("_state=x") && status >= 400),
    ).toBe(true)
    expect(pushed.blobs.find(({ digest }) => digest === root)).toMatchObject({ how: "sent", resumedAt: 0 })
    expect(readdirSync(uploads)).toEqual([])
  })

  it("says when the registry took the manifest for another one", async () => {
    await using lab = await openLab()
    const headers = { "docker-content-digest": `sha256:${"0".repeat(64)}` }
    proxy.mishap = ({ method, path }) =>
      method === "PUT" && path.includes("/manifests/")
        ? { kind: "change", change: (body) => body, headers }
        : null
    await expect(lab.push(`${proxy.host}/other/base:1`)).rejects.toMatchObject({
      code: "registry/other-digest",
    })
    proxy.mishap = () => null
  })

  it("does not send a blob again when only the answer to its last request was lost", async () => {
    await using lab = await openLab()
    const before = proxy.passed.length
    const isRootPut = ({ method, sentBytes: bytes, headers }: Passed) =>
      method === "PUT" && bytes === 0 && Number(headers["content-length"]) > 1 << 20
    once(isRootPut, { kind: "lose-answer" })
    const pushed = await lab.push(`${proxy.host}/lost/base:1`)
    const total = pushed.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    expect(proxy.passed.slice(before).some(({ status, method }) => method === "PUT" && status === 0)).toBe(
      true,
    )
    expect(sentBytes(before)).toBeLessThan(total + 65_536)
    expect((await lab.pull(`${registry.host}/lost/base@${pushed.digest}`)).digest).toBe(lab.image.digest)
  })

  it.each([429, 500, 502, 503, 504])(
    "waits and goes on after status %i, also in the middle of a blob",
    async (status) => {
      await using lab = await openLab()
      let requests = 0
      proxy.mishap = () =>
        ++requests % 3 === 0 ? { kind: "answer", status, headers: { "retry-after": "0" } } : null
      const pushed = await lab.push(`${proxy.host}/busy${status}/base:1`)
      proxy.mishap = () => null
      expect((await lab.pull(`${registry.host}/busy${status}/base@${pushed.digest}`)).digest).toBe(
        lab.image.digest,
      )
    },
  )

  it("gives up when the registry stays busy, and says what it answers", async () => {
    await using lab = await openLab()
    proxy.mishap = () => ({ kind: "answer", status: 503 })
    await expect(lab.push(`${proxy.host}/shut/base:1`)).rejects.toMatchObject({
      code: "registry/busy",
      message: expect.stringContaining("status 503"),
    })
    proxy.mishap = () => null
  })
})

describe("a pull that is interrupted", () => {
  it("goes on by Range within one run, as often as the connection ends", async () => {
    await using lab = await openLab()
    const pushed = await lab.push(`${registry.host}/ranges/base:1`)
    const before = proxy.passed.length
    once(isRootGet(lab.image.manifest.files.root.sha256), { kind: "cut-answer", afterBytes: 5 << 20 }, 3)
    const pulled = await lab.pull(`${proxy.host}/ranges/base@${pushed.digest}`)
    expect(pulled.digest).toBe(lab.image.digest)
    const asked = proxy.passed.slice(before).filter(isRootGet(lab.image.manifest.files.root.sha256))
    expect(asked.map(({ status }) => status)).toEqual([200, 206, 206, 206])
    const { size_bytes: size } = lab.image.manifest.files.root
    const answered = asked.reduce((sum, { answeredBytes }) => sum + answeredBytes, 0)
    expect(answered).toBeLessThanOrEqual(size + (1 << 20))
    expect(pulled.files.find(({ name }) => name === "root.verity")?.receivedBytes).toBe(size)
  })

  it("goes on in another run of the program, and shows nothing where images are meanwhile", async () => {
    await using lab = await openLab()
    const pushed = await lab.push(`${registry.host}/stopped/base:1`)
    const stop = new AbortController()
    const root = lab.image.manifest.files.root
    once(isRootGet(root.sha256), { kind: "cut-answer", afterBytes: 14 << 20 }, 99)
    const onNote = (text: string) => {
      if (Number(/^([\d.]+) MiB of/.exec(text)?.[1]) > 9) stop.abort(new Error("stopped by the test"))
    }
    const reference = `${proxy.host}/stopped/base@${pushed.digest}`
    await expect(lab.pull(reference, { signal: stop.signal, onNote })).rejects.toThrow("stopped by the test")
    proxy.mishap = () => null
    const { images, hidden } = lab.pulled()
    expect(images).toEqual([])
    expect(hidden).toEqual([`.pulling-${pushed.digest.slice(7)}`])
    const part = join(lab.to.home.images, "by-digest", hidden[0] ?? "", "root.verity.part")
    const have = statSync(part).size
    expect(have).toBeGreaterThan(8 << 20)
    const before = proxy.passed.length
    const pulled = await lab.pull(reference)
    const [asked] = proxy.passed.slice(before).filter(isRootGet(root.sha256))
    expect(asked?.headers.range).toBe(`bytes=${have}-`)
    expect(asked?.answeredBytes).toBe(root.size_bytes - have)
    expect(pulled.files.find(({ name }) => name === "root.verity")?.resumedAt).toBe(have)
    expect(lab.pulled()).toEqual({ images: [lab.image.digest], hidden: [] })
  })

  it("begins again where the server knows no ranges", async () => {
    await using lab = await openLab()
    const pushed = await lab.push(`${registry.host}/norange/base:1`)
    const isRoot = isRootGet(lab.image.manifest.files.root.sha256)
    let asked = 0
    proxy.mishap = (one) => {
      if (!isRoot(one)) return null
      asked += 1
      return asked === 1
        ? { kind: "cut-answer", afterBytes: 5 << 20 }
        : { kind: "drop-header", name: "range" }
    }
    const pulled = await lab.pull(`${proxy.host}/norange/base@${pushed.digest}`)
    proxy.mishap = () => null
    expect(pulled.digest).toBe(lab.image.digest)
  })

  it("keeps what came when the connection never gets far, and says how to go on", async () => {
    await using lab = await openLab()
    const pushed = await lab.push(`${registry.host}/far/base:1`)
    const isRoot = isRootGet(lab.image.manifest.files.root.sha256)
    let asked = 0
    proxy.mishap = (one) => {
      if (!isRoot(one)) return null
      asked += 1
      return { kind: "cut-answer", afterBytes: asked === 1 ? 4 << 20 : 0 }
    }
    await expect(lab.pull(`${proxy.host}/far/base@${pushed.digest}`)).rejects.toMatchObject({
      code: "registry/cut-off",
    })
    proxy.mishap = () => null
    const { images, hidden } = lab.pulled()
    expect(images).toEqual([])
    const part = join(lab.to.home.images, "by-digest", hidden[0] ?? "", "root.verity.part")
    // a connection that is cut may lose the last of what was sent by it
    const size = existsSync(part) ? statSync(part).size : 0
    expect(size).toBeGreaterThan(3 << 20)
    expect(size).toBeLessThanOrEqual(4 << 20)
  })

  it("ends when the server only ever gives the same beginning again", async () => {
    await using lab = await openLab()
    const pushed = await lab.push(`${registry.host}/same/base:1`)
    const isRoot = isRootGet(lab.image.manifest.files.root.sha256)
    let asked = 0
    proxy.mishap = (one) => {
      if (!isRoot(one)) return null
      asked += 1
      // without an end of its own the loop would go on for ever
      if (asked > 40) return null
      return one.headers.range === undefined
        ? { kind: "cut-answer", afterBytes: 1 << 20 }
        : { kind: "answer", status: 416 }
    }
    await expect(lab.pull(`${proxy.host}/same/base@${pushed.digest}`)).rejects.toMatchObject({
      code: "registry/cut-off",
    })
    proxy.mishap = () => null
    expect(asked).toBeLessThan(12)
  })
})
