/** Hears of each change of the packet filter from the kernel, through one `nft monitor` that runs as long as we do. */

import type { ChildProcess } from "node:child_process"
import { readdir, readFile, readlink } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Fault } from "../../contract/fault.ts"
import { startProgram } from "./run.ts"

export interface RulesetWatch {
  /** Whether nothing has passed this watch by, as the kernel itself says; what has is a change, or its end. */
  readonly isHearing: () => Promise<boolean>
}

export interface WatchHandlers {
  readonly onChange: () => void
  /** Called once, of a watch that had begun; changes after it go unseen. */
  readonly onLost: (reason: string) => void
}

const POLL_MS = 20
const SUBSCRIBED_MS = 10_000
/** Columns of /proc/net/netlink: the protocol of netfilter, and the bit of its group for nftables. */
const NETLINK_NETFILTER = "12"
const GROUP_NFTABLES = 0x40
const COLUMNS = { protocol: 1, groups: 3, unreadBytes: 4, drops: 8, inode: 9 } as const

/** Resolves once the kernel has the subscription: what is listed after that misses no change. Fault: `agent/no-watch`. */
export async function watchRuleset(handlers: WatchHandlers): Promise<RulesetWatch> {
  const child = startProgram(["nft", "-j", "monitor"], ["ignore", "pipe", "pipe"])
  let lost: string | null = null
  let began = false
  const lose = (reason: string) => {
    if (lost !== null) return
    lost = reason
    if (began) handlers.onLost(reason)
  }
  child.once("error", (error) => lose(error.message))
  child.once("close", (code, signal) => lose(`nft monitor ended with ${signal ?? `code ${code}`}`))
  child.stdout?.on("data", () => handlers.onChange())
  // it says so when the kernel dropped events, which are changes all the same
  child.stderr?.on("data", () => handlers.onChange())
  for (let waitedMs = 0; waitedMs < SUBSCRIBED_MS && lost === null; waitedMs += POLL_MS) {
    if ((await readSubscription(child)) !== null) {
      began = true
      return { isHearing: async () => lost === null && (await isHearing(child, handlers)) }
    }
    await sleep(POLL_MS)
  }
  child.kill("SIGKILL")
  throw new Fault(
    "agent/no-watch",
    `the packet filter cannot be watched: ${lost ?? "nft monitor did not begin"}`,
  )
}

/** A program that was stopped, or was too slow for the kernel, has changes waiting, or has lost them. */
async function isHearing(child: ChildProcess, { onChange }: WatchHandlers): Promise<boolean> {
  const [subscription, state] = await Promise.all([readSubscription(child), readState(child)])
  if (subscription?.missed) onChange()
  if (subscription !== null && !/[Tt]/.test(state)) return !subscription.missed
  child.kill("SIGKILL") // its end is told like any other
  return false
}

interface Subscription {
  /** Whether changes wait that it has not read, or could not be kept for it. */
  readonly missed: boolean
}

/** As /proc/net/netlink has it; null when there is none, or none any more. */
async function readSubscription({ pid }: ChildProcess): Promise<Subscription | null> {
  const found = (await readFile("/proc/net/netlink", "utf8"))
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(
      (row) =>
        row[COLUMNS.protocol] === NETLINK_NETFILTER &&
        (Number.parseInt(row[COLUMNS.groups] ?? "", 16) & GROUP_NFTABLES) !== 0,
    )
  if (found.length === 0) return null
  const dir = `/proc/${pid}/fd`
  const open = await readdir(dir).catch(() => []) // it has ended
  const targets = await Promise.all(open.map((fd) => readlink(join(dir, fd)).catch(() => "")))
  const own = found.find((row) => targets.includes(`socket:[${row[COLUMNS.inode]}]`))
  if (own === undefined) return null
  return { missed: [COLUMNS.unreadBytes, COLUMNS.drops].some((column) => own[column] !== "0") }
}

/** The letter of /proc/PID/stat, after a name in parentheses that may hold anything; empty when it has ended. */
async function readState({ pid }: ChildProcess): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")
  return stat.charAt(stat.lastIndexOf(")") + 2)
}
