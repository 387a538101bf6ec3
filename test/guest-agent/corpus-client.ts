/**
 * Run inside the lab's guest: sends each case of a file as bytes on a connection of its own and prints, a JSON line
 * each, what came back and how long it took. Usage: node corpus-client.ts CASES.json
 */

import { readFileSync } from "node:fs"
import { connect } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

interface Sent {
  readonly bytes: string
  readonly host: string
  readonly port: number
  readonly dripMs?: number
}

const MAX_MS = 30_000
const AT_ONCE = 8

const cases: readonly Sent[] = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"))
let next = 0

await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < cases.length) {
      const index = next++
      const one = cases[index]
      if (one) process.stdout.write(`${JSON.stringify({ index, ...(await ask(one)) })}\n`)
    }
  }),
)

function ask({ bytes, host, port, dripMs }: Sent): Promise<{ answer: string; elapsedMs: number }> {
  return new Promise((resolve) => {
    const startedMs = performance.now()
    const parts: Buffer[] = []
    const socket = connect({ host, port }, async () => {
      if (dripMs === undefined) return void socket.write(bytes, "latin1")
      for (const byte of bytes) {
        if (socket.destroyed) return
        socket.write(byte, "latin1")
        await sleep(dripMs)
      }
    })
    const done = (): void => {
      clearTimeout(timer)
      resolve({ answer: Buffer.concat(parts).toString("latin1"), elapsedMs: performance.now() - startedMs })
      socket.destroy()
    }
    const timer = setTimeout(done, MAX_MS)
    socket.on("data", (chunk: Buffer) => parts.push(chunk))
    socket.on("error", done)
    socket.on("close", done)
    socket.on("end", done)
  })
}
