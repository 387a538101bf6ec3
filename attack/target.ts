/** The machine under attack as the battery sees it: what the CLI lends it, and nothing else of stereo. */

import type { ArchivedCall } from "./evidence.ts"

export interface AttackTarget {
  readonly name: string
  readonly qemuPid: number
  /** The folder that QEMU may write. */
  readonly vmDir: string
  readonly dataDisk: string
  readonly console: string
  readonly imageDir: string
  /** Sockets and folders that must be the user's alone. */
  readonly privatePaths: readonly string[]
  /** Whether policy names the host at all. */
  readonly allowsHost: (host: string) => boolean
  /** Starts a program in the guest, by the control wire. */
  readonly start: (user: "agent" | "root", command: readonly string[]) => GuestProcess
  readonly qmp: (execute: string, args: Readonly<Record<string, unknown>>) => Promise<void>
  /** Rows of the archive for this run of the machine, since then. */
  readonly readCalls: (sinceMs: number) => Promise<readonly ArchivedCall[]>
}

export interface GuestProcess {
  readonly send: (line: string) => void
  /** Lines of its standard output. */
  readonly lines: AsyncIterator<string>
  /** What it wrote to standard error, its last few kilobytes. */
  readonly complaints: () => string
  /** Ends its input and waits for its end. */
  readonly end: () => Promise<void>
}

/** Where the witnesses may stand. */
export interface Surroundings {
  /** More addresses of this host for canaries to listen at. */
  readonly witnesses: readonly string[]
  /** A network made for the attack, in which every address is this host's and names are the DNS sink's. */
  readonly world: World | null
}

export interface World {
  readonly upstreamPort: number
  readonly tls: { readonly certificate: string; readonly key: string }
}
