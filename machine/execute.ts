/** Runs a command in a machine over `sshd -i` on the control wire, with the caller's own streams. */

import type { MachineRecord } from "../contract/machine-record.ts"
import { quoteWords } from "../contract/quote-words.ts"
import { openShell } from "./exec/open-shell.ts"
import { type CommandStreams, relayCommand } from "./exec/relay-command.ts"
import type { HostClient } from "./host-client.ts"

export interface ExecuteRequest {
  readonly host: HostClient
  readonly record: MachineRecord
  readonly user: "agent" | "root"
  /** The words as the program shall see them; empty for a login shell. */
  readonly command: readonly string[]
  readonly streams: CommandStreams
  readonly signal: AbortSignal
}

/** The command's exit code, or 128 and the number of the signal that ended it. */
export async function executeCommand(request: ExecuteRequest): Promise<number> {
  const { host, record, user, command, streams, signal } = request
  const stream = await host.openSsh(record.name, user, signal)
  const client = await openShell({
    name: record.name,
    hostPublicKey: record.ssh.hostPublicKey,
    credential: { privateKey: record.ssh.clientPrivateKey },
    consoleHint: `\`stereo logs ${record.name}\` shows the guest's console`,
    ...{ user, stream, signal },
  })
  try {
    // ssh hands a command on as one string, which the user's shell takes apart
    const line = command.length === 0 ? null : quoteWords(command)
    return await relayCommand(client, line, streams, signal)
  } finally {
    client.end()
    stream.destroy()
  }
}
