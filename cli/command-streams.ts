/** This process's standard streams for a command in a machine: as they are, or as a terminal in raw mode. */

import type { CommandStreams, Terminal } from "../machine/exec/relay-command.ts"
import type { CliContext } from "./context.ts"

export interface OpenStreams extends CommandStreams, Disposable {}

/** `tty`: ask for a pty. Disposing gives the terminal back as it was. */
export function openCommandStreams(context: CliContext, tty: boolean): OpenStreams {
  const { stdin, stdout, stderr } = process
  const raw = tty && stdin.isTTY === true
  if (raw) stdin.setRawMode(true)
  return {
    stdin,
    stdout,
    stderr,
    terminal: tty ? describeTerminal(context) : null,
    [Symbol.dispose]: () => {
      if (raw) stdin.setRawMode(false)
      stdin.pause()
      stdin.unref?.()
    },
  }
}

function describeTerminal(context: CliContext): Terminal {
  const { stdout } = process
  return {
    kind: context.environment["TERM"] ?? "xterm-256color",
    size: () => ({ columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 }),
    onResize: (changed) => {
      stdout.on("resize", changed)
      return () => stdout.off("resize", changed)
    },
  }
}
