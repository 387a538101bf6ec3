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
  const opened = await openChannel(client, command, streams.terminal)
  const { channel } = opened
  const stopResize = followSize(channel, streams.terminal)
  const forward = () => interrupt(client, channel)
  signal.addEventListener("abort", forward, { once: true })
  if (signal.aborted) forward()
  try {
    return await relay(client, opened, streams, signal)
  } finally {
    stopResize()
    signal.removeEventListener("abort", forward)
    streams.stdin.unpipe(channel)
    streams.stdin.pause()
  }
}

interface OpenedChannel {
  readonly channel: ClientChannel
  /** The exit code once it is known. */
  readonly code: () => number | null
  /** Settles when the channel has closed. */
  readonly closed: Promise<void>
}

/** Listens from the first moment: a short command's end stands in the same packet as its beginning. */
function openChannel(
  client: Client,
  command: string | null,
  terminal: Terminal | null,
): Promise<OpenedChannel> {
  return new Promise((settle, reject) => {
    const opened = (error: Error | undefined, channel: ClientChannel) => {
      if (error)
        return reject(new Fault("exec/refused", `the guest did not start the command: ${error.message}`))
      let code: number | null = null
      channel.on("exit", (exitCode: number | null, signalName?: string) => {
        code = exitCode ?? codeOfSignal(signalName)
      })
      const closed = new Promise<void>((end) => channel.once("close", () => end()))
      settle({ channel, code: () => code, closed })
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

/** As Ctrl-C would: the command gets SIGINT; the connection ends if it does not end itself. */
function interrupt(client: Client, channel: ClientChannel): void {
  sendSignal(client, channel, "INT")
  setTimeout(() => client.destroy(), 2000).unref()
}

/** ssh2 sends no signal once standard input has ended, although ssh allows it; so its protocol is asked directly. */
function sendSignal(client: Client, channel: ClientChannel, name: string): void {
  // not in ssh2's public types; `client` and `channel` carry these fields since its version 1.0
  const { _protocol } = client as unknown as { _protocol: { signal(id: number, name: string): void } }
  const { outgoing } = channel as unknown as { outgoing: { id: number; state: string } }
  if (outgoing.state !== "closed" && outgoing.state !== "closing") _protocol.signal(outgoing.id, name)
}

function relay(client: Client, opened: OpenedChannel, streams: CommandStreams, signal: AbortSignal) {
  const { channel } = opened
  return new Promise<number>((settle, reject) => {
    const ended = () => {
      const code = opened.code()
      if (code !== null) settle(code)
      else if (signal.aborted) settle(codeOfSignal("SIGINT"))
      else reject(lost())
    }
    void opened.closed.then(ended)
    // sshd itself waits for us to go: an end from its side is a broken connection
    client.once("end", ended)
    client.once("close", ended)
    channel.on("error", reject)
    // the reader has gone (`… | head`): the command ends as with a closed pipe, by the connection's end
    const readerGone = (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") settle(codeOfSignal("SIGPIPE"))
      else reject(error)
    }
    streams.stdout.once("error", readerGone)
    streams.stderr.once("error", readerGone)
    channel.pipe(streams.stdout, { end: false })
    channel.stderr.pipe(streams.stderr, { end: false })
    // what cannot be read ends there for the command
    streams.stdin.once("error", () => channel.end())
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
