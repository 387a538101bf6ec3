/** Waits until the guest has its identity, or says at which stage of its boot it stopped. */

import { Fault, reasonOf } from "../../contract/fault.ts"
import type { MachineHome } from "../../contract/home.ts"
import type { ReadyReport } from "../../contract/host-api.ts"
import type { HostClient } from "../host-client.ts"
import { printable, readTailText } from "../read-tail-text.ts"
import { nameStoppedStage } from "./boot-stage.ts"

export interface ReadyRequest {
  readonly name: string
  readonly layout: MachineHome
  readonly host: HostClient
  /** Settles when QEMU ends. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** Fault: `machine/not-ready`, with the stage, the console's last lines and the place of the logs. */
export async function awaitReady(request: ReadyRequest): Promise<ReadyReport> {
  const given = new AbortController()
  const signal = AbortSignal.any([request.signal, given.signal])
  const death = request.ended.then(({ code, signal: by }) => {
    throw new Fault(
      "machine/qemu-ended",
      `QEMU ended with ${by ?? `code ${code}`} before the guest was ready`,
    )
  })
  try {
    return await Promise.race([request.host.ready(request.name, request.timeoutMs, signal), death])
  } catch (thrown) {
    if (request.signal.aborted) throw request.signal.reason
    throw await explain(request, thrown)
  } finally {
    given.abort(new Fault("machine/gave-up", "no longer waiting"))
  }
}

async function explain(request: ReadyRequest, thrown: unknown): Promise<Fault> {
  // the guest is there and says what it is: its console has nothing to add
  if (thrown instanceof Fault && thrown.code === "host/not-attested") {
    const message = `${request.name} is not what its image promises, and nothing may leave it\n  ${thrown.message}`
    return new Fault("machine/not-attested", message, {
      ...(thrown.hint === undefined ? {} : { hint: thrown.hint }),
      cause: thrown,
    })
  }
  const { layout } = request
  const console = await readTailText(layout.console, 256 * 1024)
  const qemu = await readTailText(layout.log, 16 * 1024)
  const { stage, meaning } = nameStoppedStage({ console, hostReason: reasonOf(thrown) })
  const lines = [
    `${request.name} stopped at stage ${stage}: ${meaning} (${reasonOf(thrown)})`,
    ...lastLines("console", printable(console), 12),
    ...lastLines("QEMU", printable(qemu), 4),
  ]
  return new Fault("machine/not-ready", lines.join("\n"), {
    hint: `the whole console is in ${layout.console}, what QEMU printed in ${layout.log}`,
    cause: thrown,
  })
}

/** Blank lines and the command line that the log begins with say nothing. */
function lastLines(title: string, text: string, count: number): string[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("+ "))
  if (lines.length === 0) return [`  (${title}: nothing)`]
  return lines.slice(-count).map((line) => `  ${title}: ${line}`)
}
