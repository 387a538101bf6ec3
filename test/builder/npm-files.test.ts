import { createHash } from "node:crypto"
import { mkdirSync, readdirSync, readFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { gzipSync } from "node:zlib"
import { pack } from "tar-stream"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { PlannedNpm } from "../../builder/plan.ts"
import { takeNpmFiles } from "../../builder/rootfs/npm-files.ts"
import { storePath } from "../../builder/store/content-store.ts"
import { fetchNpms, type NpmRequest, npmFile } from "../../builder/store/fetch-npm.ts"
import { homeLayout } from "../../contract/home.ts"
import { openFolder } from "./project-folder.ts"

const archive = gzipSync(
  await renderArchive({ "package/package.json": '{"name":"tool"}', "package/bin/tool": "tool!" }),
)
const integrity = `sha512-${createHash("sha512").update(archive).digest("base64")}`
const npm: PlannedNpm = {
  name: "tool",
  version: "1.2.3",
  integrity,
  files: [{ from: "bin/tool", to: "/usr/bin/tool", mode: 0o755, strip: false }],
}

/** A registry of one package, on loopback, that the ordinary npm client talks to. */
const registry = createServer((request, response) => {
  if (request.url?.endsWith(".tgz")) return response.end(archive)
  const { port } = registry.address() as AddressInfo
  const dist = { integrity, tarball: `http://127.0.0.1:${port}/tool.tgz` }
  const versions = { "1.2.3": { name: "tool", version: "1.2.3", dist } }
  return response.end(JSON.stringify({ name: "tool", "dist-tags": { latest: "1.2.3" }, versions }))
})

beforeAll(async () => {
  await new Promise<void>((resolve) => registry.listen(0, "127.0.0.1", resolve))
  const { port } = registry.address() as AddressInfo
  process.env["npm_config_registry"] = `http://127.0.0.1:${port}/`
})
afterAll(() => {
  delete process.env["npm_config_registry"]
  registry.close()
})

describe("npm packages", () => {
  it("gives the wanted files of an archive that has the pinned integrity", async () => {
    using folder = openFolder()
    mkdirSync(join(folder.dir, "files"))
    const home = homeLayout(folder.dir)
    await fetchNpms(requestIn(folder.dir), [npm])
    await takeNpmFiles(npm, storePath(home, npmFile(npm)), join(folder.dir, "files"))
    expect(readFileSync(join(folder.dir, "files", "0"), "utf8")).toBe("tool!")
  })

  it("refuses an archive that has another integrity, and says both", async () => {
    using folder = openFolder()
    const wrong = `sha512-${"A".repeat(86)}==`
    await expect(fetchNpms(requestIn(folder.dir), [{ ...npm, integrity: wrong }])).rejects.toMatchObject({
      code: "store/wrong-bytes",
      message: expect.stringMatching(
        new RegExp(`expected sha512 0{128}\\n +got +sha512 ${npmFile(npm).digest}, ${archive.length} bytes`),
      ),
    })
    expect(readdirSync(join(folder.dir, "cache", "store"), { recursive: true })).toEqual(["incoming"])
  })

  it("refuses a definition that wants a file which the package does not have", async () => {
    using folder = openFolder({ "package.tgz": archive })
    const files = [{ from: "bin/gone", to: "/usr/bin/gone", mode: 0o755, strip: false }]
    await expect(
      takeNpmFiles({ ...npm, files }, join(folder.dir, "package.tgz"), folder.dir),
    ).rejects.toMatchObject({
      code: "rootfs/no-npm-file",
      message: "npm package tool 1.2.3 has no file package/bin/gone",
    })
  })
})

function requestIn(dir: string): NpmRequest {
  const runner = { logFile: join(dir, "log"), signal: new AbortController().signal }
  return { home: homeLayout(dir), runner, note: () => undefined }
}

function renderArchive(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const writer = pack()
  for (const [name, text] of Object.entries(files)) writer.entry({ name }, text)
  writer.finalize()
  return buffer(writer)
}
