// What Node cannot do by itself: any system call, and frames from a packet socket, by the small program beside.

import { renderFrame } from "./frames.mjs"
import { hold } from "./held.mjs"

/** Where the program has its page, and how large it is; see render-syscall-program.ts. */
const PAGE_ADDRESS = 0x600000n
const PAGE_BYTES = 4096
const DATA_OFFSET = 64
const SYS_SOCKET = 41
const SYS_SENDTO = 44
const SYS_BIND = 49
const AF_PACKET = 17
const SOCK_RAW = 3
/** ETH_P_ALL in the network's byte order. */
const ALL = 0x0300

export async function calls(list, marker, context) {
  const program = openProgram(marker, context)
  const results = []
  for (const call of list) {
    const args = call.args.map((arg) => resolveArgument(arg, results))
    results.push(await program.call(call.number, args))
  }
  return results.map(describe).join(", ")
}

export async function frames(list, marker, context) {
  const program = openProgram(marker, context)
  const socket = Number(await program.call(SYS_SOCKET, [AF_PACKET, SOCK_RAW, ALL]))
  if (socket < 0) return describe(socket)
  // sockaddr_ll: family, protocol, interface 2, which is the one card
  const address = Buffer.alloc(20)
  address.writeUInt16LE(AF_PACKET, 0)
  address.writeUInt16LE(ALL, 2)
  address.writeInt32LE(2, 4)
  const bound = await program.call(SYS_BIND, [socket, address, 20])
  if (bound < 0) return `bind ${describe(bound)}`
  const sent = []
  for (const frame of list) {
    const bytes = renderFrame(frame, marker)
    sent.push(Number(await program.call(SYS_SENDTO, [socket, bytes, bytes.length, 0, 0, 0])))
  }
  return `sent ${sent.join(", ")}`
}

function resolveArgument(arg, results) {
  if (typeof arg === "number") return arg
  const named = /^\{result:(\d+)\}$/.exec(arg)
  if (named) return Number(results[Number(named[1])])
  return /^\d{1,7}$/.test(arg) ? Number(arg) : Buffer.from(arg, "hex")
}

function openProgram(marker, context) {
  const child = hold(`${context.dir}/syscall`, [], marker, context, ["pipe", "pipe", "ignore"])
  const failed = new Promise((_settle, reject) => child.once("error", reject))
  failed.catch(() => undefined)
  return {
    async call(number, args) {
      const page = Buffer.alloc(PAGE_BYTES)
      page.writeBigInt64LE(BigInt(number), 0)
      let free = DATA_OFFSET
      for (const [index, arg] of args.entries()) {
        const bytes = typeof arg === "number" ? null : arg
        const value = bytes === null ? BigInt(arg) : PAGE_ADDRESS + BigInt(free)
        page.writeBigInt64LE(value, 8 + index * 8)
        free += bytes?.copy(page, free) ?? 0
      }
      child.stdin.write(page)
      return Number((await Promise.race([readPage(child.stdout), failed])).readBigInt64LE(0))
    },
  }
}

async function readPage(stream) {
  for (;;) {
    const page = stream.read(PAGE_BYTES)
    if (page) return page
    if (stream.readableEnded || stream.destroyed) throw new Error("the program ended")
    await new Promise((settle) => {
      stream.once("readable", settle)
      stream.once("end", settle)
    })
  }
}

function describe(result) {
  return result < 0 ? `error ${-result}` : String(result)
}
