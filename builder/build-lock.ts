/** One build at a time per home: a lock that the kernel drops when its holder dies, however it dies. */

import { createHash } from "node:crypto"
import { mkdir, realpath } from "node:fs/promises"
import { connect, createServer, type Server } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

const RETRY_MS = 300

/**
 * Waits until no other process holds the lock of a folder, by whatever path it is named. The lock is a listening socket in Linux's abstract
 * namespace, so that a killed build leaves nothing to clean up; it answers with its holder's process id.
 */
export async function openBuildLock(
  dir: string,
  onWait: (holder: string) => void,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  await mkdir(dir, { recursive: true })
  const name = createHash("sha256")
    .update(await realpath(dir))
    .digest("hex")
    .slice(0, 32)
  const address = `\0stereo-build-${name}`
  for (;;) {
    signal.throwIfAborted()
    const server = await listen(address)
    if (server) return { [Symbol.asyncDispose]: () => close(server) }
    onWait(await askHolder(address))
    await sleep(RETRY_MS, undefined, { signal })
  }
}

function listen(address: string): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) =>
      socket.end(String(process.pid)).on("error", () => socket.destroy()),
    )
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(null) : reject(error),
    )
    server.listen(address, () => resolve(server.unref()))
  })
}

function askHolder(address: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ""
    const socket = connect(address)
    socket.setTimeout(RETRY_MS, () => socket.destroy())
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1")
    })
    socket.on("error", () => socket.destroy())
    socket.on("close", () => resolve(/^\d{1,10}$/.test(text) ? `process ${text}` : "another process"))
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
