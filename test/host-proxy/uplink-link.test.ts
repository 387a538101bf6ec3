import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { connect } from "node:http2"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { openUplinkLink } from "../../host-proxy/guest/uplink-link.ts"
import { eventually } from "./lab.ts"

describe("the uplink", () => {
  it("holds one batch in memory, however often the guest begins anew", async () => {
    const dir = mkdtempSync(join(tmpdir(), "stereo-uplink-"))
    const socketPath = join(dir, "uplink.sock")
    const server = createServer()
    server.listen(socketPath)
    await once(server, "listening")
    const sockets: Socket[] = []
    let delivered = 0
    server.on("connection", (socket) => {
      sockets.push(socket)
      socket.on("error", () => socket.destroy())
      const session = connect("http://host", { createConnection: () => socket })
      session.on("error", () => session.destroy())
      const stream = session.request({ ":method": "POST", ":path": "/envelopes" })
      stream.on("error", () => stream.destroy())
      stream.end("[]", () => {
        delivered += 1
        setTimeout(() => socket.destroy(), 300)
      })
    })
    const written = Promise.withResolvers<void>()
    let taken = 0
    const link = openUplinkLink({
      ...{ socketPath, onRestart: () => undefined, log: () => undefined },
      async onEnvelopes() {
        taken += 1
        await written.promise
      },
    })
    await eventually(() => (taken === 1 && sockets[0]?.destroyed ? true : null))
    // long enough to connect anew several times
    await new Promise((resolve) => setTimeout(resolve, 2000))
    expect({ taken, delivered }).toEqual({ taken: 1, delivered: 1 })
    written.resolve()
    await eventually(() => (taken > 1 ? true : null))
    await link[Symbol.asyncDispose]()
    server.close()
    rmSync(dir, { recursive: true })
  })
})
