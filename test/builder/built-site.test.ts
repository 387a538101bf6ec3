import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { join, resolve } from "node:path"
import { describe, expect, it } from "vitest"
import { makeRoot } from "../../builder/artifact/make-root.ts"
import { renderSite } from "../../builder/plan/render-site.ts"
import { readArtifact } from "../../builder/read-artifact.ts"
import { readBuiltSite } from "../../builder/read-built-site.ts"
import { resolvePlan } from "../../builder/resolve-plan.ts"
import { type Tree, writeTree } from "../../builder/tree.ts"
import { homeLayout } from "../../contract/home.ts"
import { type Site, siteWall } from "../../contract/site.ts"
import { currentToolsTree } from "../../contract/tools-tree.ts"
import { makeAuthority } from "../fakes/tls-gateway.ts"
import { projectDir } from "../rules/sources.ts"
import { type ArtifactLab, openArtifactLab } from "./artifact-lab.ts"

const usual = homeLayout(resolve(process.env["STEREO_HOME"] ?? join(homedir(), ".local", "share", "stereo")))
const skipped = existsSync(currentToolsTree(usual)) ? null : "there is no tools tree: `stereo setup` makes it"
if (skipped) process.stderr.write(`built-site.test.ts is skipped in part: ${skipped}\n`)

const { signal } = new AbortController()
const SITE: Site = {
  gateway: { address: "10.20.0.5", port: 4000, name: "gateway.site", ca: makeAuthority(Date.now()).cert },
  ssh: {
    keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG0Z7hVJ3w0S ops", "ssh-rsa AAAAB3NzaC1yc2E= more words"],
    allow: [
      { net: "203.0.113.0/24", why: "the office's address" },
      { net: "198.51.100.7/32", why: "who is on call" },
    ],
  },
}
const WALL = siteWall.parse({
  gateway: { address: "10.20.0.5", port: 4000 },
  ssh: { allow: ["203.0.113.0/24", "198.51.100.7/32"] },
})

describe.skipIf(skipped !== null)(`the site of a built image${skipped ? ` (${skipped})` : ""}`, () => {
  it("is read out of the image, and gives the plan that the site.toml gave", async () => {
    using lab = openArtifactLab()
    const root = await makeSiteRoot(lab, SITE)
    const image = await readArtifact(storeSited(lab, root))
    const read = await readBuiltSite(usual, image, signal)
    expect(read?.gateway).toEqual(SITE.gateway)
    expect(read?.ssh.keys).toEqual(SITE.ssh.keys)
    const plans = [SITE, read].map((site) => resolvePlan(projectDir, "base", "ec2", site))
    const [given, found] = await Promise.all(plans)
    expect(found?.sha256).toBe(given?.sha256)
  })

  it("is said to be of another version where the image has none of its files", async () => {
    using lab = openArtifactLab()
    const image = await readArtifact(storeSited(lab, await makeSiteRoot(lab, null)))
    await expect(readBuiltSite(usual, image, signal)).rejects.toMatchObject({
      ...{
        code: "rebuild/other-version",
        message: expect.stringMatching(/^the site's files in .* are not such/),
      },
    })
  })
})

describe("an image for a site", () => {
  it("whose root was changed is refused before anything is read out of it", async () => {
    using lab = openArtifactLab()
    const dir = storeSited(lab, Buffer.from("root"))
    writeFileSync(join(dir, "root.verity"), "other")
    await expect(readBuiltSite(lab.home, await readArtifact(dir), signal)).rejects.toMatchObject({
      ...{ code: "rebuild/damaged", message: expect.stringMatching(/root\.verity was changed: sha256 /) },
    })
  })

  it("needs a tools tree, and says so", async () => {
    using lab = openArtifactLab()
    const image = await readArtifact(storeSited(lab, Buffer.from("root")))
    await expect(readBuiltSite(lab.home, image, signal)).rejects.toMatchObject({
      ...{ code: "rebuild/no-tools", hint: "stereo setup" },
    })
  })
})

function storeSited(lab: ArtifactLab, root: Buffer): string {
  return lab.store("base", { manifest: { profile: "ec2", site: WALL }, files: { "root.verity": root } })
}

async function makeSiteRoot({ folder, home }: ArtifactLab, site: Site | null): Promise<Buffer> {
  mkdirSync(home.tools, { recursive: true })
  symlinkSync(realpathSync(currentToolsTree(usual)), currentToolsTree(home))
  const owner = { mode: 0o644, uid: 0, gid: 0 }
  const tree: Tree = new Map()
  for (const path of ["/usr", "/usr/lib", "/usr/lib/stereo", "/usr/lib/stereo/site"])
    tree.set(path, { kind: "directory", ...owner, mode: 0o755 })
  for (const { path, text } of [...renderSite(site), { path: "/usr/other", text: "something" }]) {
    const content = { bytes: Buffer.from(text), sizeBytes: Buffer.byteLength(text) }
    tree.set(path, { kind: "file", ...owner, content })
  }
  const tar = join(folder.dir, "root.tar")
  await writeTree(tree, tar)
  const logFile = join(folder.dir, "log")
  const toolsDir = currentToolsTree(usual)
  await makeRoot({
    ...{ logFile, signal, tar, tarSha256: "ab".repeat(32), compression: "lz4hc", toolsDir, dir: folder.dir },
  })
  return readFileSync(join(folder.dir, "root.verity"))
}
