/** What the guest says of itself, each part read from the kernel rather than remembered. */

import { readFile } from "node:fs/promises"
import type { GuestHealth } from "../../contract/control.ts"
import { Fault } from "../../contract/fault.ts"
import { CAPTURE_PORTS, GUEST_UNITS, GUEST_USERS } from "../../contract/wire.ts"
import { askUnit } from "./connect-unit.ts"

/** `ruleset` is the packet filter as last measured: the host asks often, and a run of nft is dear under TCG. */
export async function readHealth(identified: boolean, ruleset: unknown): Promise<GuestHealth> {
  const [bootId, uptime, capture] = await Promise.all([
    readFile("/proc/sys/kernel/random/boot_id", "utf8"),
    readFile("/proc/uptime", "utf8"),
    readFile("/proc/net/tcp", "utf8").then(isCaptureListening),
  ])
  return {
    bootId: bootId.trim(),
    uptimeMs: Math.round(Number.parseFloat(uptime) * 1000),
    firewall: isWallUp(ruleset),
    capture,
    identified,
  }
}

export async function readFirewall(): Promise<Buffer> {
  const listed = await askUnit(GUEST_UNITS.ruleset, "")
  if (listed.length > 0) return listed
  throw new Fault("agent/no-listing", "nft listed nothing: its unit stereo-ruleset@ failed")
}

interface NftChain {
  readonly family: string
  readonly table: string
  readonly type?: string
  readonly hook?: string
  readonly policy?: string
}

/** All three ways of a packet are dropped unless a rule lets it pass. */
function isWallUp(ruleset: unknown): boolean {
  // nft's own answer: what it may lack is only the list, before the first measurement
  const listed = (ruleset as { nftables: { chain?: NftChain }[] } | null)?.nftables ?? []
  const all = listed.flatMap(({ chain }) => (chain ? [chain] : []))
  const chains = all.filter(({ family, table }) => family === "inet" && table === "stereo")
  return ["input", "output", "forward"].every((hook) =>
    chains.some((chain) => chain.type === "filter" && chain.hook === hook && chain.policy === "drop"),
  )
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
