/** Runs a command over ssh in a machine that is somewhere else, as execute.ts does in one of this host. */

import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import { Fault, reasonOf } from "../contract/fault.ts"
import { quoteWords } from "../contract/quote-words.ts"
import { openShell, type ShellRequest } from "./exec/open-shell.ts"
import { type CommandStreams, relayCommand } from "./exec/relay-command.ts"

export interface RemoteRequest extends Omit<ShellRequest, "stream"> {
  readonly address: string
  readonly port: number
  /** The words as the program shall see them; empty for a login shell. */
  readonly command: readonly string[]
  readonly streams: CommandStreams
}

/** Connecting, and the first word of an emulated sshd. */
const GREETING_MS = 20_000
/** With a second between them: sshd may come up a while after its host key is known. */
const ATTEMPTS = 90
const BETWEEN_MS = 1000

/** The command's exit code, or 128 and the number of the signal that ended it. Faults: `exec/unreachable`, `exec/refused`, `exec/wrong-host-key`. */
export async function executeRemote(request: RemoteRequest): Promise<number> {
  const { command, streams, signal } = request
  const stream = await reach(request)
  try {
    const client = await openShell({ ...request, stream })
    try {
      return await relayCommand(client, command.length === 0 ? null : quoteWords(command), streams, signal)
    } finally {
      client.end()
    }
  } finally {
    stream.destroy()
  }
}

/** A connection on which an sshd has begun to speak; what only listens, or resets, is not up yet. */
async function reach({ name, address, port, signal }: RemoteRequest): Promise<Socket> {
  for (let attempt = 1; ; attempt += 1) {
    const socket = connect({ host: address, port })
    const ended = new AbortController()
    socket.once("end", () => ended.abort(new Error("the connection was closed at once")))
    try {
      const limit = AbortSignal.any([signal, ended.signal, AbortSignal.timeout(GREETING_MS)])
      // the server speaks first; nothing is read here
      await once(socket, "readable", { signal: limit })
      if (socket.readableLength > 0) return socket
      throw new Error("the connection was closed at once")
    } catch (cause) {
      socket.destroy()
      signal.throwIfAborted()
      if (attempt === ATTEMPTS) {
        throw new Fault(
          "exec/unreachable",
          `${name}: no sshd answers at ${address} port ${port}: ${reasonOf(cause)}`,
          {
            hint: "a security group must let this host in, and the image's own filter, too: ssh.allow in its site.toml",
            cause,
          },
        )
      }
    }
    await delay(BETWEEN_MS, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}
