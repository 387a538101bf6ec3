/** Connects to a socket in a machine's folder, which QEMU may write: a link there could lead to another machine. */

import { once } from "node:events"
import { lstatSync } from "node:fs"
import { createConnection, type Socket } from "node:net"

/** Rejects while nobody listens yet. */
export async function connectSocket(path: string, signal: AbortSignal): Promise<Socket> {
  if (!lstatSync(path).isSocket()) throw new Error(`${path} is not a socket`)
  const socket = createConnection(path)
  await once(socket, "connect", { signal })
  return socket
}
