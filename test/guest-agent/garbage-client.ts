/**
 * Run inside the lab's guest: throws seeded rubbish, some of it half right, at every port of the capture proxy.
 * Usage: node garbage-client.ts SEED ROUNDS
 */

import { createSocket } from "node:dgram"
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

let state = Number(process.argv[2] ?? 1)
const rounds = Number(process.argv[3] ?? 100)

/** mulberry32: the same rubbish for the same seed. */
function random(below: number): number {
  state = (state + 0x6d2b79f5) | 0
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return ((mixed ^ (mixed >>> 14)) >>> 0) % below
}

const STARTS = [
  "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
  "POST http://a.example/ HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
  "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 50\r\n\r\nhalf",
  "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "\x00\x1d\xab\xcd\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x07example\x00\x00\x01\x00\x01",
  "",
]

function rubbish(): Buffer {
  const start = Buffer.from(STARTS[random(STARTS.length)] ?? "", "latin1")
  const noise = Buffer.from(Array.from({ length: random(300) }, () => random(256)))
  const both = Buffer.concat(random(2) === 0 ? [start, noise] : [start, start, noise])
  for (let count = random(4); count > 0 && both.length > 0; count -= 1)
    both[random(both.length)] = random(256)
  return both
}

function throwAt(port: number): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(rubbish())
      setTimeout(() => (random(2) === 0 ? socket.destroy() : socket.resetAndDestroy()), random(30))
    })
    socket.on("error", () => socket.destroy())
    socket.on("data", () => undefined)
    socket.on("close", () => resolve())
  })
}

const udp = createSocket("udp4")
udp.on("error", () => undefined)
for (let round = 0; round < rounds; round += 1) {
  udp.send(rubbish(), 53, "127.0.0.1")
  await Promise.all([53, 3128, 3180, 3443].map(throwAt))
}
await sleep(100)
udp.close()
process.stdout.write("thrown\n")
