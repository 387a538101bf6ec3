/** Hears of each change of the packet filter from the kernel, through one `nft monitor` that runs as long as we do. */

import { readdir, readFile, readlink } from "node:fs/promises"
import { join } from "node:path"
import type { Readable } from "node:stream"
import { setTimeout as sleep } from "node:timers/promises"
import { Fault } from "../../contract/fault.ts"
import { GUEST_UNITS } from "../../contract/wire.ts"
import { connectUnit } from "./connect-unit.ts"

export interface RulesetWatch {
  /** Whether nothing has passed this watch by, as the kernel itself says; what has is a change, or its end. */
  readonly isHearing: () => Promise<boolean>
}

/** An `nft -j monitor` that runs. */
export interface Monitor {
  /** All that it prints; it ends with the program. */
  readonly output: Readable
  /** What runs it, at least; empty while it is not there yet, or no more. */
  readonly pids: () => Promise<readonly number[]>
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
export async function watchRuleset(
  handlers: WatchHandlers,
  monitor: Monitor = startMonitor(),
): Promise<RulesetWatch> {
  const { output } = monitor
  let lost: string | null = null
  let began = false
  const lose = (reason: string) => {
    if (lost !== null) return
    lost = reason
    if (began) handlers.onLost(reason)
  }
  output.once("error", (error) => lose(error.message))
  output.once("close", () => lose("nft monitor ended"))
  // it also says when the kernel dropped events, which are changes all the same
  output.on("data", () => handlers.onChange())
  for (let waitedMs = 0; waitedMs < SUBSCRIBED_MS && lost === null; waitedMs += POLL_MS) {
    if ((await findSubscription(monitor)) !== null) {
      began = true
      return { isHearing: async () => lost === null && (await isHearing(monitor, handlers)) }
    }
    await sleep(POLL_MS)
  }
  output.destroy()
  throw new Fault(
    "agent/no-watch",
    `the packet filter cannot be watched: ${lost ?? "nft monitor did not begin"}`,
  )
}

/** A program that was stopped, or was too slow for the kernel, has changes waiting, or has lost them. */
async function isHearing(monitor: Monitor, { onChange }: WatchHandlers): Promise<boolean> {
  const subscription = await findSubscription(monitor)
  if (subscription?.missed) onChange()
  if (subscription !== null && !/[Tt]/.test(await readState(subscription.pid))) return !subscription.missed
  if (subscription !== null) endProcess(subscription.pid)
  monitor.output.destroy() // its end is told like any other
  return false
}

/** A stopped one would stay for ever. */
function endProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL")
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "ESRCH")) throw thrown
  }
}

/** Where systemd has the processes of the watch: its unit is started for our connection. */
const WATCH_GROUP = "/sys/fs/cgroup/stereo.slice/stereo-watch.slice"

function startMonitor(): Monitor {
  return { output: connectUnit(GUEST_UNITS.watch), pids: readWatchers }
}

async function readWatchers(): Promise<number[]> {
  const units = await readdir(WATCH_GROUP, { withFileTypes: true }).catch(() => [])
  const listed = await Promise.all(
    units
      .filter((unit) => unit.isDirectory())
      .map((unit) => readFile(join(WATCH_GROUP, unit.name, "cgroup.procs"), "utf8").catch(() => "")),
  )
  return listed.flatMap((text) => text.split("\n").filter((line) => line !== "")).map(Number)
}

interface Subscription {
  readonly pid: number
  /** Whether changes wait that it has not read, or could not be kept for it. */
  readonly missed: boolean
}

/** The newest of the monitor's own: one of an agent before this one stays until it has something to say to nobody. */
async function findSubscription({ pids }: Monitor): Promise<Subscription | null> {
  const found = await Promise.all((await pids()).map(readSubscription))
  const own = found.filter((one) => one !== null)
  return own.sort((left, right) => left.pid - right.pid).at(-1) ?? null
}

/** As /proc/net/netlink has it; null when there is none, or none any more. */
async function readSubscription(pid: number): Promise<Subscription | null> {
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
  return { pid, missed: [COLUMNS.unreadBytes, COLUMNS.drops].some((column) => own[column] !== "0") }
}

/** The letter of /proc/PID/stat, after a name in parentheses that may hold anything; empty when it has ended. */
async function readState(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")
  return stat.charAt(stat.lastIndexOf(")") + 2)
}
