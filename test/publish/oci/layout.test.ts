import { createHash } from "node:crypto"
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { toolsSandboxArgs } from "../../../contract/tools-tree.ts"
import { ANNOTATION, MEDIA } from "../../../publish/oci/artifact.ts"
import { writeLayout } from "../../../publish/oci/write-layout.ts"
import {
  type DockerRegistry,
  openDockerRegistry,
  registryTree,
} from "../../fakes/registry/docker-registry.ts"
import { type Lab, openLab } from "./registry-lab.ts"

const signal = new AbortController().signal
const dir = mkdtempSync(join(tmpdir(), "stereo-layout-"))
let lab: Lab
let registry: DockerRegistry
let tree: string
beforeAll(async () => {
  lab = await openLab()
  registry = await openDockerRegistry()
  tree = await registryTree()
}, 300_000)
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
  rmSync(dir, { recursive: true })
})

/** Debian's skopeo, which shares with stereo the specs and nothing else. */
async function skopeo(...args: string[]): Promise<string> {
  const sandbox = [...toolsSandboxArgs(tree), "--share-net", "--bind", dir, "/work", "--chdir", "/work", "--"]
  const { stdout } = await execa("bwrap", [
    ...sandbox,
    "skopeo",
    "--insecure-policy",
    "--tmpdir",
    "/work",
    ...args,
  ])
  return stdout
}

describe("an image as an OCI layout", () => {
  it("holds every file as a layer, under the digest of its bytes", async () => {
    const report = await writeLayout(lab.image, join(dir, "layout"), signal)
    const blob = (digest: string) => readFileSync(join(dir, "layout", "blobs", digest.replace(":", "/")))
    for (const name of readdirSync(join(dir, "layout", "blobs", "sha256"))) {
      expect(
        createHash("sha256")
          .update(blob(`sha256:${name}`))
          .digest("hex"),
      ).toBe(name)
    }
    const index = JSON.parse(readFileSync(join(dir, "layout", "index.json"), "utf8"))
    expect(index.manifests).toEqual([
      expect.objectContaining({ digest: report.digest, artifactType: MEDIA.artifact }),
    ])
    const manifest = JSON.parse(blob(report.digest).toString())
    expect(manifest.config.digest).toBe(`sha256:${lab.image.digest}`)
    const titles = manifest.layers.map(
      (one: { annotations: Record<string, string> }) => one.annotations[ANNOTATION.title],
    )
    expect([...titles, "manifest.toml"].sort()).toEqual(readdirSync(lab.image.dir).sort())
    const kinds = new Map(
      manifest.layers.map((one: { mediaType: string }, at: number) => [titles[at], one.mediaType]),
    )
    // random bytes do not compress, and many lines that are alike do
    expect(kinds.get("root.verity")).toBe(MEDIA.file)
    expect(kinds.get("ruleset.json")).toBe(MEDIA.fileZstd)
  })

  it("is the same each time: folder, archive and registry know it by one digest", async () => {
    const one = await writeLayout(lab.image, join(dir, "one.tar"), signal)
    const two = await writeLayout(lab.image, join(dir, "two.tar"), signal)
    expect(readFileSync(one.path).equals(readFileSync(two.path))).toBe(true)
    const pushed = await lab.push(`${registry.host}/same:1`)
    expect([one.digest, two.digest]).toEqual([pushed.digest, pushed.digest])
  })

  it("is not written over what is there, and a file that was changed leaves nothing", async () => {
    writeFileSync(join(dir, "taken.tar"), "")
    await expect(writeLayout(lab.image, join(dir, "taken.tar"), signal)).rejects.toMatchObject({
      code: "artifact/in-the-way",
    })
    const other = await openLab()
    writeFileSync(join(other.image.dir, "units.json"), "{}\n")
    await expect(writeLayout(other.image, join(dir, "changed"), signal)).rejects.toMatchObject({
      code: "artifact/changed-file",
    })
    await other[Symbol.asyncDispose]()
    expect(existsSync(join(dir, "changed"))).toBe(false)
    expect(readdirSync(dir).filter((name) => name.startsWith("."))).toEqual([])
  })
})

describe("skopeo, as a second client", () => {
  it("carries the layout into a registry, where stereo pulls it", async () => {
    const { digest } = await writeLayout(lab.image, join(dir, "carried"), signal)
    await skopeo(
      "copy",
      "--dest-tls-verify=false",
      "oci:/work/carried:base",
      `docker://${registry.host}/carried:1`,
    )
    rmSync(lab.to.home.images, { recursive: true, force: true })
    expect((await lab.pull(`${registry.host}/carried@${digest}`)).digest).toBe(lab.image.digest)
  })

  it("copies what stereo pushed into another registry, digest kept, and says what it is", async () => {
    await using other = await openDockerRegistry()
    const pushed = await lab.push(`${registry.host}/from:1`)
    const tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
    await skopeo("copy", ...tls, `docker://${registry.host}/from:1`, `docker://${other.host}/mirror:1`)
    rmSync(lab.to.home.images, { recursive: true, force: true })
    expect((await lab.pull(`${other.host}/mirror@${pushed.digest}`)).digest).toBe(lab.image.digest)
    const raw = await skopeo("inspect", "--raw", "--tls-verify=false", `docker://${other.host}/mirror:1`)
    expect(JSON.parse(raw).artifactType).toBe(MEDIA.artifact)
  })
})
