/** Hears of each change of the packet filter from the kernel, through one `nft monitor` that runs as long as we do. */

import type { ChildProcess } from "node:child_process"
import { readdir, readFile, readlink } from "node:fs/promises"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Fault } from "../../contract/fault.ts"
import { startProgram } from "./run.ts"

export interface RulesetWatch {
  /** Whether the kernel tells this watch of changes, as the kernel itself says; if not, the watch ends. */
  readonly isSubscribed: () => Promise<boolean>
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
    if (await hasSubscription(child)) {
      began = true
      return { isSubscribed: async () => lost === null && ((await hasSubscription(child)) || end(child)) }
    }
    await sleep(POLL_MS)
  }
  end(child)
  throw new Fault(
    "agent/no-watch",
    `the packet filter cannot be watched: ${lost ?? "nft monitor did not begin"}`,
  )
}

/** Its end is told like any other. */
function end(child: ChildProcess): false {
  child.kill("SIGKILL")
  return false
}

async function hasSubscription({ pid }: ChildProcess): Promise<boolean> {
  const sockets = (await readFile("/proc/net/netlink", "utf8"))
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
  const subscribed = sockets.filter(
    ([, protocol, , groups = "0"]) =>
      protocol === NETLINK_NETFILTER && (Number.parseInt(groups, 16) & GROUP_NFTABLES) !== 0,
  )
  if (subscribed.length === 0) return false
  const inodes = new Set(subscribed.map((columns) => `socket:[${columns.at(-1)}]`))
  const dir = `/proc/${pid}/fd`
  const open = await readdir(dir).catch(() => []) // it has ended
  const targets = await Promise.all(open.map((fd) => readlink(join(dir, fd)).catch(() => "")))
  return targets.some((target) => inodes.has(target))
}
