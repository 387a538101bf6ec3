/** Reads the first bytes of a connection and says whether an HTTP/2 client is at the other end. */

import type { Socket } from "node:net"

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1")
/** GOAWAY on stream 0, last stream 0, PROTOCOL_ERROR: what an HTTP/2 client understands as "connect anew". */
const GOAWAY = Buffer.from([0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])

/**
 * Waits, for as long as it takes, for the 24 bytes of the preface and leaves them in the socket to be read
 * again. Nothing is sent before: QEMU connects long before the guest does. False: it was not the preface,
 * or the connection ended; then the socket is closed, with a GOAWAY if something wrong came.
 */
export function awaitPreface(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const parts: Buffer[] = []
    const settle = (good: boolean) => {
      socket.off("readable", read)
      socket.off("close", gone)
      socket.off("end", gone)
      resolve(good)
    }
    const gone = () => {
      socket.destroy()
      settle(false)
    }
    const read = () => {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) parts.push(chunk)
      const seen = Buffer.concat(parts)
      const length = Math.min(seen.length, PREFACE.length)
      if (!seen.subarray(0, length).equals(PREFACE.subarray(0, length))) {
        socket.end(GOAWAY, () => socket.destroy())
        settle(false)
      } else if (length === PREFACE.length) {
        socket.off("readable", read)
        socket.unshift(seen)
        settle(true)
      }
    }
    socket.on("readable", read)
    socket.on("close", gone)
    socket.on("end", gone)
  })
}
