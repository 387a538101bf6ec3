/** An ssh connection over a stream that the guest's `sshd -i` answers; the machine is known by its host key. */

import type { Duplex } from "node:stream"
import ssh2, { type Client } from "ssh2"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { MachineRecord } from "../../contract/machine-record.ts"

export interface ShellRequest {
  readonly record: MachineRecord
  readonly user: "agent" | "root"
  readonly stream: Duplex
  readonly signal: AbortSignal
}

/** An emulated guest needs half a second for the key exchange, a busy one far longer. */
const READY_TIMEOUT_MS = 60_000

/** Faults: `exec/wrong-host-key`, `exec/refused`. The caller ends the client. */
export function openShell(request: ShellRequest): Promise<Client> {
  const { record, user, stream, signal } = request
  const client = new ssh2.Client()
  const expected = record.ssh.hostPublicKey.split(" ")[1] ?? ""
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
    client.on("error", (error) => reject(wrongKey ? wrongHostKey(record.name) : refused(record.name, error)))
    client.once("close", () => reject(refused(record.name, new Error("the stream ended"))))
    client.connect({
      sock: stream,
      username: user,
      privateKey: record.ssh.clientPrivateKey,
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

function refused(name: string, cause: unknown): Fault {
  return new Fault("exec/refused", `no ssh session with ${name}: ${reasonOf(cause)}`, {
    hint: `\`stereo logs ${name}\` shows the guest's console`,
    cause,
  })
}
