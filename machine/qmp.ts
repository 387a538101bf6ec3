/** One command to QEMU over its own control socket (QMP). */

import { createConnection } from "node:net"
import { createInterface } from "node:readline"
import { z } from "zod"
import { Fault, reasonOf } from "../contract/fault.ts"

const message = z.union([
  z.object({ QMP: z.unknown() }),
  z.object({ return: z.unknown() }),
  z.object({ error: z.object({ desc: z.string() }) }),
  z.object({ event: z.string() }),
])

/** Runs `command` and gives its answer; for `quit` that is the last QEMU says. Fault: `machine/qmp-failed`. */
export async function runQmpCommand(
  socketPath: string,
  command: string,
  timeoutMs: number,
  args?: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  const socket = createConnection(socketPath)
  const deadline = setTimeout(() => socket.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs)
  try {
    const answers = readAnswers(socket)
    await answers.next()
    socket.write(`${JSON.stringify({ execute: "qmp_capabilities" })}\n`)
    await answers.next()
    socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`)
    return (await answers.next()).value ?? null
  } catch (thrown) {
    throw new Fault("machine/qmp-failed", `QEMU did not take the command ${command}: ${reasonOf(thrown)}`, {
      cause: thrown,
    })
  } finally {
    clearTimeout(deadline)
    socket.destroy()
  }
}

/** Greeting first, then one item per command; events in between are dropped. */
async function* readAnswers(socket: ReturnType<typeof createConnection>): AsyncGenerator<unknown> {
  const failed = new Promise<never>((_settle, reject) => socket.once("error", reject))
  const lines = createInterface({ input: socket })[Symbol.asyncIterator]()
  while (true) {
    const line = await Promise.race([lines.next(), failed])
    if (line.done) return
    const parsed = message.parse(JSON.parse(line.value))
    if ("error" in parsed) throw new Error(parsed.error.desc)
    if ("return" in parsed) yield parsed.return
    if ("QMP" in parsed) yield parsed.QMP
  }
}
