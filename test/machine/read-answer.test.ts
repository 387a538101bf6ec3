import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer, type Http2Server, type ServerHttp2Session } from "node:http2"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openHostClient } from "../../machine/host-client.ts"

describe("an answer that a guest never ends", () => {
  let dir: string
  let server: Http2Server
  const sessions = new Set<ServerHttp2Session>()

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), "stereo-endless-"))
    server = createServer()
    server.on("session", (session) => void sessions.add(session))
    server.on("stream", (stream, headers) => {
      stream.on("error", () => stream.destroy())
      stream.respond({ ":status": headers[":path"]?.endsWith("/shutdown") ? 202 : 200 })
      if (headers[":method"] !== "GET") return void stream.write("never more")
      const more = () => {
        while (!stream.destroyed && stream.write(Buffer.alloc(256 * 1024, " ")));
      }
      stream.on("drain", more)
      more()
    })
    server.listen(join(dir, "host.sock"))
    await once(server, "listening")
  })
  afterEach(() => {
    for (const session of sessions) session.destroy()
    server.close()
    rmSync(dir, { recursive: true })
  })

  it("keeps nobody longer than they are ready to wait", { timeout: 10_000 }, async () => {
    using host = openHostClient(join(dir, "host.sock"))
    await expect(host.shutdown("demo", AbortSignal.timeout(300))).rejects.toMatchObject({
      name: "TimeoutError",
    })
  })

  it("does not fill the memory", { timeout: 20_000 }, async () => {
    using host = openHostClient(join(dir, "host.sock"))
    await expect(host.firewall("demo", AbortSignal.timeout(15_000))).rejects.toMatchObject({
      code: "host/bad-answer",
    })
  })
})
