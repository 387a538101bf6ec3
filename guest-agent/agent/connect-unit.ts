/** The guest agent's only way to make something run: a connection, for which systemd starts a unit of the image. */

import { once } from "node:events"
import { createConnection, type Socket } from "node:net"
import { buffer } from "node:stream/consumers"
import { Fault, reasonOf } from "../../contract/fault.ts"

/** Errors after the beginning end the stream; whoever has it listens for its `close`. */
export function connectUnit(path: string): Socket {
  return createConnection(path)
}

/** Says `input` to the unit and gives all that it answers. Fault: `agent/unit-failed`, also when it takes too long. */
export async function askUnit(path: string, input: string, deadlineMs = 10_000): Promise<Buffer> {
  const socket = connectUnit(path)
  const timer = setTimeout(() => socket.destroy(new Error(`no end after ${deadlineMs} ms`)), deadlineMs)
  try {
    await once(socket, "connect")
    // only this side ends: what it asked for is still to come
    if (input !== "") socket.write(input)
    return await buffer(socket)
  } catch (cause) {
    throw new Fault("agent/unit-failed", `the unit behind ${path}: ${reasonOf(cause)}`, { cause })
  } finally {
    clearTimeout(timer)
    socket.destroy()
  }
}
