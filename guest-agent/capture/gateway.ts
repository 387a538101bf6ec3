/** Keeps one session with the host alive, and lends it to whoever has a request. */

import { setTimeout as sleep } from "node:timers/promises"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { type GatewaySession, openGatewaySession } from "./gateway-session.ts"
import type { GatewayTarget } from "./gateway-target.ts"

export interface Gateway {
  /** An open session; a Fault when there is none for a while. `again`: it has been waited for already. */
  readonly acquire: (again: boolean) => Promise<GatewaySession>
}

/** QEMU gives a new connection of the guest to the host only when the last one is gone on both sides. */
const RECONNECT_MS = 150
/** How long a request waits: longer while the host may just have restarted, as QEMU comes back within a second. */
const RESTART_WAIT_MS = 2_500
const AGAIN_WAIT_MS = 1_000
const DOWN_WAIT_MS = 800
/** How long a new connection waits for the host's first word: more each time, in case it is only slow. */
const SETTINGS_MS = { first: 600, factor: 1.5, most: 3_000 } as const
/** Failures in a row after which the host counts as down. */
const DOWN_AFTER = 3

export function startGateway(
  target: GatewayTarget,
  log: (line: string) => void,
  signal: AbortSignal,
): Gateway {
  let current: GatewaySession | null = null
  let failures = 0
  let lastReason = "not connected yet"
  const waiting = new Set<(session: GatewaySession) => void>()

  const keep = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        const session = await openGatewaySession(target, settingsMs(failures))
        failures = 0
        current = session
        for (const take of waiting) take(session)
        waiting.clear()
        await session.closed
        lastReason = "the connection was lost"
      } catch (thrown) {
        failures += 1
        lastReason = reasonOf(thrown)
        if (failures === DOWN_AFTER) log(`the gateway is not there: ${lastReason}`)
      }
      current = null
      await sleep(RECONNECT_MS)
    }
  }
  void keep()

  return {
    acquire: async (again) => {
      if (current?.isOpen()) return current
      const waitMs = failures >= DOWN_AFTER ? DOWN_WAIT_MS : again ? AGAIN_WAIT_MS : RESTART_WAIT_MS
      return new Promise((resolve, reject) => {
        const take = (session: GatewaySession): void => {
          clearTimeout(timer)
          resolve(session)
        }
        const timer = setTimeout(() => {
          waiting.delete(take)
          reject(new Fault("gateway/unreachable", `no gateway for ${waitMs} ms: ${lastReason}`))
        }, waitMs)
        waiting.add(take)
      })
    },
  }
}

function settingsMs(failures: number): number {
  return Math.min(SETTINGS_MS.first * SETTINGS_MS.factor ** failures, SETTINGS_MS.most)
}
