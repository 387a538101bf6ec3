import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readTrustedKeys } from "../../../trust/trusted-keys.ts"
import { verifyImage } from "../../../trust/verify-image.ts"
import { type DockerRegistry, openDockerRegistry } from "../../fakes/registry/docker-registry.ts"
import { openLab } from "./registry-lab.ts"

let registry: DockerRegistry
beforeAll(async () => {
  registry = await openDockerRegistry()
}, 300_000)
afterAll(() => registry[Symbol.asyncDispose]())

describe("an image that goes through a real registry", () => {
  it("comes out the same in another home, byte for byte, and verifies there", async () => {
    await using lab = await openLab()
    const pushed = await lab.push(`${registry.host}/team/base:1`)
    const pulled = await lab.pull(`${registry.host}/team/base@${pushed.digest}`)
    expect(pulled.digest).toBe(lab.image.digest)
    expect(pushed.pinned).toBe(`${registry.host}/team/base:1@${pushed.digest}`)
    const names = readdirSync(lab.image.dir).sort()
    expect(readdirSync(pulled.dir).sort()).toEqual(names)
    for (const name of names) {
      expect(readFileSync(join(pulled.dir, name)).equals(readFileSync(join(lab.image.dir, name)))).toBe(true)
    }
    const keys = await readTrustedKeys(lab.to.home)
    const verified = await verifyImage({
      dir: pulled.dir,
      digest: pulled.digest,
      storedName: "base",
      keys,
      depth: "all",
    })
    expect(verified.kind).toBe("verified")
    expect(lab.pulled()).toEqual({ images: [pulled.digest], hidden: [] })
  })
})
