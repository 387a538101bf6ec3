/** A registry as npm's client knows it: it gives packages, and takes whatever is published. */

import { createHash } from "node:crypto"
import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { buffer } from "node:stream/consumers"
import { gzipSync } from "node:zlib"
import { pack } from "tar-stream"

export interface NpmRegistry extends AsyncDisposable {
  readonly url: string
  /** Method and target of every request that came. */
  readonly requests: readonly string[]
}

const VERSION = "1.0.0"

/** Gives version 1.0.0 of each package of `names`; `publicUrl` is by which clients call it. */
export async function openNpmRegistry(names: readonly string[], publicUrl: string): Promise<NpmRegistry> {
  const requests: string[] = []
  const tarballs = new Map(
    await Promise.all(names.map(async (name) => [name, await makeTarball(name)] as const)),
  )
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    answer(request, response, tarballs, publicUrl)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // a TCP server's address is never a string
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  tarballs: ReadonlyMap<string, Buffer>,
  publicUrl: string,
): void {
  request.resume()
  if (request.method !== "GET")
    return void response.writeHead(201, { "content-type": "application/json" }).end("{}")
  const path = decodeURIComponent(request.url ?? "").slice(1)
  const name = path.split("/-/")[0] ?? ""
  const tarball = tarballs.get(name)
  if (!tarball) return void response.writeHead(404, { "content-type": "application/json" }).end("{}")
  if (path.endsWith(".tgz")) return void response.end(tarball)
  const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`
  const dist = { tarball: `${publicUrl}/${name}/-/${name.split("/").at(-1)}-${VERSION}.tgz`, integrity }
  const versions = { [VERSION]: { name, version: VERSION, dist } }
  response.setHeader("content-type", "application/json")
  response.end(JSON.stringify({ name, "dist-tags": { latest: VERSION }, versions }))
}

async function makeTarball(name: string): Promise<Buffer> {
  const archive = pack()
  archive.entry({ name: "package/package.json" }, JSON.stringify({ name, version: VERSION }))
  archive.entry({ name: "package/index.js" }, `module.exports = ${JSON.stringify(name)}\n`)
  archive.finalize()
  return gzipSync(await buffer(archive))
}
