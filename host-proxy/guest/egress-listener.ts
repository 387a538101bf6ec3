/** Listens on a machine's egress socket: QEMU connects, and the guest's one HTTP/2 connection comes through it. */

import { once } from "node:events"
import { mkdir, rm } from "node:fs/promises"
import { createServer, type Socket } from "node:net"
import { dirname } from "node:path"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { Log } from "../exchange.ts"
import { awaitPreface } from "./await-preface.ts"
import { GuestStream } from "./guest-stream.ts"
import { serveSession } from "./serve-session.ts"

export interface EgressHandlers {
  /** Carries one request to its end. */
  onCall(stream: GuestStream): Promise<void>
  readonly log: Log
}

/** QEMU holds one connection; a few more may overlap while it reconnects. */
const MAX_CONNECTIONS = 4

export async function openEgressListener(path: string, handlers: EgressHandlers): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    socket.on("error", (failure) => handlers.log(`egress socket: ${failure.message}`))
    serveConnection(socket, handlers).catch((thrown) => {
      handlers.log(`egress connection: ${reasonOf(thrown)}`)
      socket.destroy()
    })
  })
  server.maxConnections = MAX_CONNECTIONS
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await rm(path, { force: true })
  server.listen(path)
  await once(server, "listening").catch((thrown) => {
    throw new Fault("host/cannot-listen", `${path}: ${reasonOf(thrown)}`, { cause: thrown })
  })
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close")
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
      await rm(path, { force: true })
    },
  }
}

async function serveConnection(socket: Socket, handlers: EgressHandlers): Promise<void> {
  if (!(await awaitPreface(socket))) return
  serveSession(socket, {
    log: (line) => handlers.log(`egress ${line}`),
    onRequest: (stream, rawHeaders) => handlers.onCall(new GuestStream(stream, rawHeaders)),
  })
}
