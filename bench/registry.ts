/** Pushes the image `base` into a real registry on loopback and pulls it again, against skopeo with the same bytes. */

import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"
import { homeLayout } from "../contract/home.ts"
import { toolsSandboxArgs } from "../contract/tools-tree.ts"
import { openTestHome, type TestHome } from "../test/e2e/test-home.ts"
import { openDockerRegistry, registryTree } from "../test/fakes/registry/docker-registry.ts"
import { readTrustedKeys, trustKey } from "../trust/trusted-keys.ts"
import { type Figure, summarise } from "./report.ts"

const RUNS = 3

/** Megabytes of image a second, the start of the program included; a pull is verified, which skopeo's is not. */
export async function benchRegistry(from: TestHome): Promise<readonly Figure[]> {
  const root = mkdtempSync(join(tmpdir(), "stereo-bench-registry-"))
  const rates: Record<string, number[]> = {}
  try {
    await from.must(["build", "base"], { timeoutMs: 900_000 })
    const to = homeLayout(join(root, "to"))
    for (const key of await readTrustedKeys(homeLayout(from.root)))
      await trustKey(to, { ...key, name: `bench-${key.name}` })
    await using puller = openTestHome("", to.root, [])
    const layout = join(root, "layout")
    const exported = (await from.json(["images", "export", "base", "--format", "oci", "-o", layout])) as {
      sizeBytes: number // as `export` prints it
      digest: string
    }
    const time = async (what: string, work: () => Promise<unknown>) => {
      const startedAt = performance.now()
      await work()
      const seconds = (performance.now() - startedAt) / 1000
      rates[what] = [...(rates[what] ?? []), exported.sizeBytes / 1e6 / seconds]
    }
    const skopeo = await openSkopeo(root)
    for (let run = 0; run < RUNS; run += 1) {
      // an empty one each time: what a registry has is not sent again
      await using registry = await openDockerRegistry()
      await using other = await openDockerRegistry()
      const name = `${registry.host}/base`
      await time("push base to a registry on loopback", () => from.must(["push", "base", name]))
      await time("  skopeo copy of the same layout", () =>
        skopeo("copy", "--dest-tls-verify=false", "oci:/work/layout:base", `docker://${other.host}/base:1`),
      )
      rmSync(to.images, { recursive: true, force: true })
      await time("pull base from a registry on loopback, verified", () =>
        puller.must(["pull", `${name}@${exported.digest}`]),
      )
      rmSync(join(root, "copied"), { recursive: true, force: true })
      await time("  skopeo copy of the same into a layout", () =>
        skopeo("copy", "--src-tls-verify=false", `docker://${other.host}/base:1`, "oci:/work/copied:base"),
      )
    }
    return Object.entries(rates).map(([what, values]) => summarise(what, "MB/s", values))
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

async function openSkopeo(dir: string): Promise<(...args: string[]) => Promise<unknown>> {
  const sandbox = [...toolsSandboxArgs(await registryTree()), "--share-net", "--bind", dir, "/work", "--"]
  return (...args) =>
    execa("bwrap", [...sandbox, "skopeo", "--insecure-policy", "--tmpdir", "/work", ...args])
}
