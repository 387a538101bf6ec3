/**
 * A stand-in for QEMU's guestfwd over a chardev, run inside the witness's network namespace: every TCP connection
 * of the guest shares one stream to a unix socket; when that ends, TCP stays open and bytes are lost until the
 * stream has been joined anew. Usage: node chardev-relay.ts ADDRESS PORT SOCKET
 */

import { connect, createServer, type Socket } from "node:net"

const [address, port, path] = process.argv.slice(2)
if (!address || !port || !path) throw new Error("usage: chardev-relay.ts ADDRESS PORT SOCKET")
const RECONNECT_MS = 200
let host: Socket | null = null
let newest: Socket | null = null

function join(socketPath: string): void {
  const socket = connect(socketPath)
  socket.on("connect", () => {
    host = socket
  })
  socket.on("data", (chunk) => newest?.write(chunk))
  socket.on("error", () => socket.destroy())
  socket.on("close", () => {
    host = null
    setTimeout(() => join(socketPath), RECONNECT_MS)
  })
}

join(path)
createServer((guest) => {
  newest = guest
  guest.on("data", (chunk) => host?.write(chunk))
  guest.on("error", () => guest.destroy())
  guest.on("close", () => {
    if (newest === guest) newest = null
  })
}).listen(Number(port), address, () => process.stdout.write("listening\n"))
