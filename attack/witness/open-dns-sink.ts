/** A resolver that keeps every question, and knows every name: by UDP and TCP, on one port. */

import { createSocket } from "node:dgram"
import { once } from "node:events"
import { createServer, type Socket } from "node:net"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { Question } from "../evidence.ts"
import { renderSinkAnswer } from "./sink-answer.ts"

export interface DnsSink extends AsyncDisposable {
  readonly questions: () => readonly Question[]
  readonly port: number
  readonly clear: () => void
}

const MAX_QUESTIONS = 10_000
const MAX_MESSAGE_BYTES = 4096

/** `port` 0: any free one. Fault: `attack/cannot-listen`. */
export async function openDnsSink(address: string, port: number): Promise<DnsSink> {
  const questions: Question[] = []
  const answer = (message: Buffer): Buffer | null => {
    const answered = renderSinkAnswer(message)
    if (answered === null) return null
    if (questions.length < MAX_QUESTIONS) questions.push(answered.question)
    return answered.bytes
  }
  const sockets = new Set<Socket>()
  const tcp = createServer((socket) => {
    sockets.add(socket)
    socket.once("close", () => sockets.delete(socket))
    serve(socket, answer)
  })
  tcp.listen({ host: address, port })
  await once(tcp, "listening").catch((thrown) => {
    throw new Fault("attack/cannot-listen", `no DNS sink on ${address} port ${port}: ${reasonOf(thrown)}`)
  })
  const bound = tcp.address()
  const given = typeof bound === "object" && bound !== null ? bound.port : port
  const udp = createSocket("udp4")
  udp.on("message", (message, from) => {
    const reply = answer(message)
    if (reply) udp.send(reply, from.port, from.address)
  })
  udp.bind(given, address)
  await once(udp, "listening")
  return {
    questions: () => questions,
    port: given,
    clear: () => questions.splice(0),
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await Promise.all([tcp, udp].map((one) => new Promise<void>((settle) => one.close(() => settle()))))
    },
  }
}

/** Each message has its length in two bytes before it. */
function serve(socket: Socket, answer: (message: Buffer) => Buffer | null): void {
  let pending = Buffer.alloc(0)
  socket.on("error", () => socket.destroy())
  socket.on("data", (chunk) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 2) {
      const size = pending.readUInt16BE(0)
      if (size > MAX_MESSAGE_BYTES) return void socket.destroy()
      if (pending.length < 2 + size) return
      const reply = answer(pending.subarray(2, 2 + size))
      pending = pending.subarray(2 + size)
      if (reply === null) return void socket.destroy()
      const length = Buffer.alloc(2)
      length.writeUInt16BE(reply.length)
      socket.write(Buffer.concat([length, reply]))
    }
  })
}
