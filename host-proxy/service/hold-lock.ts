/** A lock that dies with its process: an abstract socket's name, which the kernel gives to one holder at a time. */

import { createHash } from "node:crypto"
import { once } from "node:events"
import { createServer } from "node:net"

/** Null when another process holds it. A stale one cannot exist, so nothing is ever cleaned up. */
export async function holdLock(name: string): Promise<AsyncDisposable | null> {
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 32)
  const server = createServer((socket) => socket.destroy())
  server.listen(`\0stereo-${digest}`)
  try {
    await once(server, "listening")
  } catch (thrown) {
    // net emits nothing else
    if ((thrown as NodeJS.ErrnoException).code === "EADDRINUSE") return null
    throw thrown
  }
  return {
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, "close")
    },
  }
}
