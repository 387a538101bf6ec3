/** Joins a command's streams to the caller's: exact bytes, back-pressure both ways, and its exit code. */

import { constants } from "node:os"
import type { Readable, Writable } from "node:stream"
import type { Client, ClientChannel, PseudoTtyOptions } from "ssh2"
import { Fault } from "../../contract/fault.ts"

export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

export interface Terminal {
  /** The kind of terminal, as in TERM. */
  readonly kind: string
  readonly size: () => TerminalSize
  /** Calls back when the window's size changes; gives what stops that. */
  readonly onResize: (changed: () => void) => () => void
}

export interface CommandStreams {
  readonly stdin: Readable
  readonly stdout: Writable
  readonly stderr: Writable
  /** Null: no pty. */
  readonly terminal: Terminal | null
}

/** The command's exit code, or 128 and the number of the signal that ended it. `command` null: a login shell. */
export async function relayCommand(
  client: Client,
  command: string | null,
  streams: CommandStreams,
  signal: AbortSignal,
): Promise<number> {
  const channel = await openChannel(client, command, streams.terminal)
  const stopResize = followSize(channel, streams.terminal)
  const forward = () => interrupt(client, channel)
  signal.addEventListener("abort", forward, { once: true })
  if (signal.aborted) forward()
  try {
    return await relay(client, channel, streams)
  } finally {
    stopResize()
    signal.removeEventListener("abort", forward)
    streams.stdin.unpipe(channel)
    streams.stdin.pause()
  }
}

function openChannel(
  client: Client,
  command: string | null,
  terminal: Terminal | null,
): Promise<ClientChannel> {
  return new Promise((settle, reject) => {
    const opened = (error: Error | undefined, channel: ClientChannel) => {
      if (error) reject(new Fault("exec/refused", `the guest did not start the command: ${error.message}`))
      else settle(channel)
    }
    const pty: PseudoTtyOptions | false = terminal !== null && renderPty(terminal)
    if (command === null) client.shell(pty, opened)
    else client.exec(command, pty === false ? {} : { pty }, opened)
  })
}

function renderPty(terminal: Terminal): PseudoTtyOptions {
  const { columns, rows } = terminal.size()
  return { term: terminal.kind, cols: columns, rows, width: 0, height: 0 }
}

function followSize(channel: ClientChannel, terminal: Terminal | null): () => void {
  if (terminal === null) return () => undefined
  return terminal.onResize(() => {
    const { columns, rows } = terminal.size()
    channel.setWindow(rows, columns, 0, 0)
  })
}

/** As Ctrl-C would: the command gets SIGINT, and the connection ends if it does not end itself. */
function interrupt(client: Client, channel: ClientChannel): void {
  channel.signal("INT")
  setTimeout(() => client.destroy(), 2000).unref()
}

function relay(client: Client, channel: ClientChannel, streams: CommandStreams): Promise<number> {
  return new Promise((settle, reject) => {
    let code: number | null = null
    channel.on("exit", (exitCode: number | null, signalName?: string) => {
      code = exitCode ?? codeOfSignal(signalName)
    })
    channel.once("close", () => {
      if (code === null) reject(lost())
      else settle(code)
    })
    client.once("close", () => reject(lost()))
    // the reader has gone (`… | head`): end the command as a closed pipe would
    const readerGone = (error: NodeJS.ErrnoException) => {
      code = error.code === "EPIPE" ? 128 + constants.signals.SIGPIPE : 1
      channel.close()
    }
    streams.stdout.once("error", readerGone)
    streams.stderr.once("error", readerGone)
    channel.on("error", reject)
    channel.pipe(streams.stdout, { end: false })
    channel.stderr.pipe(streams.stderr, { end: false })
    streams.stdin.pipe(channel)
  })
}

function codeOfSignal(name: string | undefined): number {
  const number = constants.signals[name as NodeJS.Signals]
  return 128 + (number ?? 0)
}

function lost(): Fault {
  return new Fault("exec/connection-lost", "the connection to the machine ended before the command did", {
    hint: "`stereo ls` shows whether the machine still runs, `stereo logs` its console",
  })
}
