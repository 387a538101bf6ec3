import { rmSync } from "node:fs"
import { zstdCompressSync } from "node:zlib"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { ANNOTATION, MEDIA } from "../../../publish/oci/artifact.ts"
import { type DockerRegistry, openDockerRegistry } from "../../fakes/registry/docker-registry.ts"
import { type FaultyProxy, openFaultyProxy } from "../../fakes/registry/faulty-proxy.ts"
import { getRaw, putBlob, putManifest, type RawDescriptor, type RawManifest } from "./raw-registry.ts"
import { type Lab, openLab } from "./registry-lab.ts"

let registry: DockerRegistry
let proxy: FaultyProxy
let lab: Lab
let digest: string
/** Where the image lies that nobody tampered with. */
let place: string

beforeAll(async () => {
  registry = await openDockerRegistry()
  proxy = await openFaultyProxy(registry.host)
  lab = await openLab()
  place = `${registry.host}/base`
  digest = (await lab.push(`${place}:1`)).digest
}, 300_000)
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
})

/** What an earlier pull has got would not be asked for again. */
beforeEach(() => {
  proxy.mishap = () => null
  rmSync(lab.to.home.images, { recursive: true, force: true })
})

const titleOf = (layer: RawDescriptor) => layer.annotations?.[ANNOTATION.title]
const original = async () =>
  JSON.parse((await getRaw(place, `manifests/${digest}`)).toString()) as RawManifest // as push wrote it

async function pullChanged(change: (manifest: RawManifest) => Promise<void> | void): Promise<string> {
  const manifest = await original()
  await change(manifest)
  return `${place}@${await putManifest(place, manifest)}`
}

function layer(manifest: RawManifest, title: string): RawDescriptor {
  const found = manifest.layers.find((one) => titleOf(one) === title)
  if (found === undefined) throw new Error(`no layer ${title}`)
  return found
}

describe("bytes that change on their way", () => {
  const parts = [
    "manifests/",
    "manifest.toml",
    "provenance.dsse.json",
    "root.verity",
    "ruleset.json",
    "vmlinux",
    "units.json",
  ]

  it.each(parts)("one bit of %s is found, and the image does not come to be", async (part) => {
    const manifest = await original()
    const blob =
      part === "manifest.toml" ? manifest.config : manifest.layers.find((one) => titleOf(one) === part)
    const path = part === "manifests/" ? part : `/blobs/${blob?.digest}`
    let changed = 0
    proxy.mishap = (passed) => {
      if (passed.method !== "GET" || !passed.path.includes(path)) return null
      const flip = (body: Buffer) => {
        const at = Math.floor(Math.random() * body.length)
        changed += 1
        body[at] = (body[at] ?? 0) ^ (1 << Math.floor(Math.random() * 8))
        return body
      }
      return { kind: "change", change: flip }
    }
    await expect(lab.pull(`${proxy.host}/base@${digest}`)).rejects.toMatchObject({
      code: "registry/wrong-bytes",
    })
    proxy.mishap = () => null
    expect(changed).toBe(1)
    expect(lab.pulled().images).toEqual([])
  })

  it("what goes on after the end of a blob is not written", async () => {
    proxy.mishap = ({ path, method }) =>
      method === "GET" && path.includes(lab.image.manifest.files.root.sha256)
        ? { kind: "change", change: (body) => Buffer.concat([body, Buffer.alloc(9)]) }
        : null
    await expect(lab.pull(`${proxy.host}/base@${digest}`)).rejects.toThrow(/more than its \d+ bytes come/)
    proxy.mishap = () => null
    expect(lab.pulled().images).toEqual([])
  })

  it("the right bytes are taken in the end, and nothing is left beside them", async () => {
    await using other = await openLab()
    const pushed = await other.push(`${registry.host}/right:1`)
    proxy.mishap = ({ path, method }) =>
      method === "GET" && path.includes(other.image.manifest.files.root.sha256)
        ? { kind: "change", change: (body) => body.fill(7, 100, 200) }
        : null
    await expect(other.pull(`${proxy.host}/right@${pushed.digest}`)).rejects.toMatchObject({
      code: "registry/wrong-bytes",
    })
    proxy.mishap = () => null
    await other.pull(`${proxy.host}/right@${pushed.digest}`)
    expect(other.pulled()).toEqual({ images: [other.image.digest], hidden: [] })
  })
})

describe("an artifact that is not what was signed", () => {
  const cases: [string, string, (manifest: RawManifest) => Promise<void> | void][] = [
    [
      "a file is another one",
      "artifact/unfit",
      async (one) => void Object.assign(layer(one, "vmlinux"), await putBlob(place, Buffer.from("evil.ker"))),
    ],
    [
      "a file is too many",
      "artifact/unfit",
      async (one) =>
        void one.layers.push({ ...layer(one, "vmlinux"), annotations: { [ANNOTATION.title]: "extra" } }),
    ],
    [
      "a file is missing",
      "artifact/unfit",
      (one) => void one.layers.splice(one.layers.indexOf(layer(one, "units.json")), 1),
    ],
    [
      "a file is there twice",
      "artifact/bad-manifest",
      (one) => void one.layers.push(layer(one, "units.json")),
    ],
    [
      "a file would lie elsewhere",
      "artifact/bad-manifest",
      (one) =>
        void Object.assign(layer(one, "vmlinux"), { annotations: { [ANNOTATION.title]: "../vmlinux" } }),
    ],
    [
      "a compressed file is larger than it was",
      "artifact/wrong-bytes",
      async (one) =>
        void Object.assign(
          layer(one, "ruleset.json"),
          await putBlob(place, zstdCompressSync(Buffer.alloc(64 << 20))),
        ),
    ],
    [
      "a compressed file is another one",
      "artifact/wrong-bytes",
      async (one) =>
        void Object.assign(
          layer(one, "ruleset.json"),
          await putBlob(place, zstdCompressSync(Buffer.alloc(lab.image.manifest.files.ruleset.size_bytes))),
        ),
    ],
    [
      "a compressed file is not compressed",
      "artifact/wrong-bytes",
      async (one) =>
        void Object.assign(layer(one, "ruleset.json"), await putBlob(place, Buffer.from("not zstd at all"))),
    ],
    [
      "the image's manifest is another one",
      "pull/not-verified",
      async (one) => void Object.assign(one.config, await putBlob(place, Buffer.from("name = 'evil'\n"))),
    ],
    [
      "its signature is no signature",
      "pull/not-verified",
      async (one) =>
        void Object.assign(layer(one, "provenance.dsse.json"), await putBlob(place, Buffer.from("{}"))),
    ],
    [
      "nobody signed it",
      "artifact/not-signed",
      (one) => void one.layers.splice(one.layers.indexOf(layer(one, "provenance.dsse.json")), 1),
    ],
    [
      "the signature is said to be huge",
      "artifact/too-large",
      (one) => void Object.assign(layer(one, "provenance.dsse.json"), { size: 1 << 30 }),
    ],
    [
      "a layer is of a kind that nobody knows",
      "artifact/bad-manifest",
      (one) => void Object.assign(layer(one, "vmlinux"), { mediaType: "text/plain" }),
    ],
    [
      "provenance has another name",
      "artifact/unfit",
      async (one) =>
        void one.layers.push({
          ...(await putBlob(place, Buffer.from("1"))),
          mediaType: MEDIA.provenance,
          annotations: { [ANNOTATION.title]: "manifest.toml" },
        }),
    ],
    [
      "it is some other artifact",
      "artifact/not-an-image",
      (one) => void Object.assign(one, { artifactType: "application/vnd.example.thing" }),
    ],
  ]

  it.each(cases)("is refused when %s: %s", async (_what, code, change) => {
    const reference = await pullChanged(change)
    await expect(lab.pull(reference)).rejects.toMatchObject({ code })
    const { images, hidden } = lab.pulled()
    expect(images).toEqual([])
    expect(hidden.filter((name) => name.includes(reference.split(":").at(-1) ?? ""))).toEqual([])
  })

  it("is cut off where a compressed file ought to end, not after all of it was written", async () => {
    const bomb = await putBlob(place, zstdCompressSync(Buffer.alloc(64 << 20)))
    const reference = await pullChanged((one) => void Object.assign(layer(one, "ruleset.json"), bomb))
    const { size_bytes: size } = lab.image.manifest.files.ruleset
    await expect(lab.pull(reference)).rejects.toThrow(`it has more than its ${size} bytes`)
  })

  it("is refused when another key signed it, before any file is asked for: the registry's log is the witness", async () => {
    await using strangers = await openLab({ strangers: true })
    const pushed = await strangers.push(`${registry.host}/strange/base:1`)
    const before = registry.requests().length
    await expect(strangers.pull(`${registry.host}/strange/base@${pushed.digest}`)).rejects.toMatchObject({
      code: "pull/not-verified",
      message: expect.stringContaining("not trusted here"),
    })
    const asked = registry.requests().slice(before)
    const manifest = JSON.parse(
      (await getRaw(`${registry.host}/strange/base`, `manifests/${pushed.digest}`)).toString(),
    ) as RawManifest // as push wrote it
    const small = [manifest.config.digest, layer(manifest, "provenance.dsse.json").digest]
    expect(asked).toEqual([
      `GET /v2/strange/base/manifests/${pushed.digest} 200`,
      ...small.map((one) => `GET /v2/strange/base/blobs/${one} 200`),
    ])
    expect(strangers.pulled()).toEqual({ images: [], hidden: [] })
  })

  it("is not taken for one when it is an index or a container image", async () => {
    const blob = await putBlob(place, Buffer.from("{}"))
    const config = { mediaType: "application/vnd.oci.image.config.v1+json", ...blob }
    const container = {
      schemaVersion: 2,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      config,
      layers: [],
    }
    await expect(lab.pull(`${place}@${await putManifest(place, container)}`)).rejects.toMatchObject({
      code: "artifact/not-an-image",
    })
  })

  it("says when there is none", async () => {
    await expect(lab.pull(`${place}@sha256:${"0".repeat(64)}`)).rejects.toMatchObject({
      code: "registry/not-found",
    })
  })
})
