/** What the guest says of itself, each part read from the kernel rather than remembered. */

import { readFile } from "node:fs/promises"
import type { GuestHealth } from "../../contract/control.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { CAPTURE_PORTS, GUEST_USERS } from "../../contract/wire.ts"
import { runProgram } from "./run.ts"

/** Under TCG a run of nft takes a good part of a second of CPU, and the host asks often while it waits. */
const FIREWALL_FRESH_MS = 500

/** `log` is told why the packet filter could not be read. */
export function healthReader(log: (line: string) => void): (identified: boolean) => Promise<GuestHealth> {
  let asked: { readonly atMs: number; readonly up: Promise<boolean> } | null = null
  const firewall = (): Promise<boolean> => {
    const nowMs = performance.now()
    if (asked && nowMs - asked.atMs < FIREWALL_FRESH_MS) return asked.up
    const up = readFirewall().then(isWallUp)
    asked = {
      atMs: nowMs,
      up: up.catch((thrown) => {
        log(`the packet filter cannot be read: ${reasonOf(thrown)}`)
        return false
      }),
    }
    return asked.up
  }
  return (identified) => readHealth(identified, firewall)
}

async function readHealth(identified: boolean, isFirewallUp: () => Promise<boolean>): Promise<GuestHealth> {
  const [bootId, uptime, firewall, capture] = await Promise.all([
    readFile("/proc/sys/kernel/random/boot_id", "utf8"),
    readFile("/proc/uptime", "utf8"),
    isFirewallUp(),
    readFile("/proc/net/tcp", "utf8").then(isCaptureListening),
  ])
  return {
    bootId: bootId.trim(),
    uptimeMs: Math.round(Number.parseFloat(uptime) * 1000),
    firewall,
    capture,
    identified,
  }
}

export async function readFirewall(): Promise<Buffer> {
  return (await runProgram(["nft", "-j", "list", "ruleset"])).stdout
}

interface NftChain {
  readonly family: string
  readonly table: string
  readonly type?: string
  readonly hook?: string
  readonly policy?: string
}

/** All three ways of a packet are dropped unless a rule lets it pass. */
function isWallUp(ruleset: Buffer): boolean {
  const chains = parseChains(ruleset).filter(({ family, table }) => family === "inet" && table === "stereo")
  return ["input", "output", "forward"].every((hook) =>
    chains.some((chain) => chain.type === "filter" && chain.hook === hook && chain.policy === "drop"),
  )
}

function parseChains(ruleset: Buffer): NftChain[] {
  try {
    const parsed: { nftables: { chain?: NftChain }[] } = JSON.parse(ruleset.toString())
    return parsed.nftables.flatMap(({ chain }) => (chain ? [chain] : []))
  } catch (cause) {
    throw new Fault("agent/odd-ruleset", `nft answered what is no JSON: ${reasonOf(cause)}`, { cause })
  }
}

/** Listening sockets (state 0A) on 127.0.0.1 that belong to the capture proxy's uid, by port. */
export function isCaptureListening(procNetTcp: string): boolean {
  const ports = new Set<number>()
  for (const line of procNetTcp.split("\n").slice(1)) {
    const [, local = "", , state, , , , uid] = line.trim().split(/\s+/)
    const [address, port = ""] = local.split(":")
    if (address === "0100007F" && state === "0A" && Number(uid) === GUEST_USERS.capture.uid) {
      ports.add(Number.parseInt(port, 16))
    }
  }
  return Object.values(CAPTURE_PORTS).every((port) => ports.has(port))
}
