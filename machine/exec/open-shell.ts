/** An ssh connection over a stream that an sshd answers; the machine is known by its host key. */

import type { Duplex } from "node:stream"
import ssh2, { type Client, type ConnectConfig } from "ssh2"
import { Fault, reasonOf } from "../../contract/fault.ts"

export interface ShellRequest {
  /** The machine's name, for messages. */
  readonly name: string
  /** As in a `.pub` file; nothing is sent to whoever has another one. */
  readonly hostPublicKey: string
  readonly credential: Pick<ConnectConfig, "privateKey" | "agent">
  readonly user: "agent" | "root"
  readonly stream: Duplex
  /** How to look at the guest's console: a sentence. */
  readonly consoleHint: string
  readonly signal: AbortSignal
}

/** An emulated guest needs half a second for the key exchange, a busy one far longer. */
const READY_TIMEOUT_MS = 60_000

/** Faults: `exec/wrong-host-key`, `exec/refused`. The caller ends the client. */
export function openShell(request: ShellRequest): Promise<Client> {
  const { hostPublicKey, credential, user, stream, signal } = request
  const client = new ssh2.Client()
  const expected = hostPublicKey.split(" ")[1] ?? ""
  let wrongKey = false
  return new Promise((settle, reject) => {
    const abort = () => {
      client.destroy()
      reject(signal.reason)
    }
    if (signal.aborted) return abort()
    signal.addEventListener("abort", abort, { once: true })
    client.once("ready", () => {
      signal.removeEventListener("abort", abort)
      settle(client)
    })
    // stays after `ready`: a connection that breaks later is told by the channel's end
    client.on("error", (error) => reject(wrongKey ? wrongHostKey(request.name) : refused(request, error)))
    client.once("close", () => reject(refused(request, new Error("the stream ended"))))
    client.connect({
      ...credential,
      sock: stream,
      username: user,
      readyTimeout: READY_TIMEOUT_MS,
      hostVerifier: (key: Buffer) => {
        wrongKey = key.toString("base64") !== expected
        return !wrongKey
      },
    })
  })
}

function wrongHostKey(name: string): Fault {
  return new Fault(
    "exec/wrong-host-key",
    `what answered for ${name} does not have the host key that the machine was given`,
    { hint: "nothing was sent to it; end the machine with `stereo rm -f` and start another" },
  )
}

function refused({ name, consoleHint }: ShellRequest, cause: unknown): Fault {
  return new Fault("exec/refused", `no ssh session with ${name}: ${reasonOf(cause)}`, {
    hint: consoleHint,
    cause,
  })
}
