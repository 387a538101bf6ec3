/** Waits until AWS has made what it was asked for. */

import { setTimeout as delay } from "node:timers/promises"
import { DescribeImagesCommand, DescribeSnapshotsCommand } from "@aws-sdk/client-ec2"
import { Fault } from "../../contract/fault.ts"
import type { Progress } from "../../contract/progress.ts"
import { callAws } from "./call-aws.ts"
import type { CloudClients } from "./open-clients.ts"

export interface WaitOptions {
  readonly progress: Progress
  readonly pollMs: number
  readonly signal: AbortSignal
}

interface Seen {
  readonly state: string
  readonly detail: string
}

/** Looks at most so often: an hour at five seconds each. */
const LOOKS = 720

/** Until it is `completed`. Faults: `ec2/snapshot-failed`, `ec2/too-slow`. */
export async function awaitSnapshot(clients: CloudClients, id: string, options: WaitOptions): Promise<void> {
  const command = new DescribeSnapshotsCommand({ SnapshotIds: [id] })
  await awaitState(
    { what: id, wanted: "completed", failed: ["error"], fault: "ec2/snapshot-failed" },
    options,
    async () => {
      const answer = await callAws("DescribeSnapshots", (sending) => clients.ec2.send(command, sending), {
        signal: options.signal,
        young: true,
      })
      const { State, StateMessage, Progress } = answer.Snapshots?.[0] ?? {}
      return { state: State ?? "unknown", detail: StateMessage ?? Progress ?? "" }
    },
  )
}

/** Until it is `available`. Faults: `ec2/image-failed`, `ec2/too-slow`. */
export async function awaitImage(clients: CloudClients, id: string, options: WaitOptions): Promise<void> {
  const command = new DescribeImagesCommand({ ImageIds: [id] })
  const failed = ["failed", "error", "invalid", "deregistered", "disabled"]
  await awaitState(
    { what: id, wanted: "available", failed, fault: "ec2/image-failed" },
    options,
    async () => {
      const answer = await callAws("DescribeImages", (sending) => clients.ec2.send(command, sending), {
        signal: options.signal,
        young: true,
      })
      const { State, StateReason } = answer.Images?.[0] ?? {}
      return { state: State ?? "unknown", detail: StateReason?.Message ?? "" }
    },
  )
}

interface Wanted {
  readonly what: string
  readonly wanted: string
  readonly failed: readonly string[]
  readonly fault: string
}

function awaitState(asked: Wanted, options: WaitOptions, look: () => Promise<Seen>): Promise<void> {
  const { what, wanted, failed, fault } = asked
  return options.progress.step(`Wait for ${what}`, async (note) => {
    for (let looks = 0; looks < LOOKS; looks += 1) {
      const { state, detail } = await look()
      if (state === wanted) return
      if (failed.includes(state)) {
        throw new Fault(fault, `${what} is ${state}: ${detail || "AWS gives no reason"}`, {
          hint: "run the command again; what failed is taken away first",
        })
      }
      note([state, detail].filter(Boolean).join(" "))
      await delay(options.pollMs, undefined, { signal: options.signal }).catch(() =>
        options.signal.throwIfAborted(),
      )
    }
    throw new Fault("ec2/too-slow", `${what} is still not ${wanted}`, {
      hint: "run the command again later: it goes on from here",
    })
  })
}
