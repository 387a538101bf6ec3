import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type DockerRegistry, openDockerRegistry } from "../fakes/registry/docker-registry.ts"
import { openTestHome, type TestHome } from "./test-home.ts"

let registry: DockerRegistry
let from: TestHome
let to: TestHome
beforeAll(async () => {
  registry = await openDockerRegistry()
  from = openTestHome("")
  // of this home nothing is shared but the tools that start a machine: its images come from the registry
  to = openTestHome("", undefined, ["tools"])
})
afterAll(async () => {
  await to[Symbol.asyncDispose]()
  await from[Symbol.asyncDispose]()
  await registry[Symbol.asyncDispose]()
})

describe("an image from a registry", () => {
  it("starts a machine on a host that did not build it, once its key is trusted there", async () => {
    const { pinned } = (await from.json(["push", "base", `${registry.host}/base:1`])) as { pinned: string } // as `push` prints it
    const stranger = await to.stereo(["pull", pinned])
    expect([stranger.code, stranger.stderr]).toEqual([1, expect.stringContaining("pull/not-verified")])
    const { stdout: key } = await from.must(["keys", "show", "own"])
    writeFileSync(join(to.root, "builder.pub"), key)
    await to.must(["keys", "trust", join(to.root, "builder.pub")])
    await to.must(["pull", pinned])
    const ran = await to.stereo(["run", "--image", "base", "--", "cat", "/etc/os-release"])
    expect(ran.stdout).toContain("ID=debian")
    expect(ran.code).toBe(0)
  })
})
