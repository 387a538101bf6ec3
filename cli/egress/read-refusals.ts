/** What was refused to a machine's latest run, from the archive, beside a running host service or without one. */

import type { DeniedHost } from "../../host-proxy/read-denied.ts"
import type { CliContext } from "../context.ts"

export interface Refusals {
  readonly runId: string
  readonly hosts: readonly DeniedHost[]
}

export interface RefusalOptions {
  /** Not before so many seconds ago; undefined: since the run began. */
  readonly sinceSeconds: number | undefined
  /** Only what a rule of a set could have allowed. */
  readonly openable: boolean
}

/** Fault `machine/unknown`. */
export async function readRefusals(
  context: CliContext,
  machine: string,
  { sinceSeconds, openable }: RefusalOptions,
): Promise<Refusals> {
  const { readRecord } = await import("../../machine/record-store.ts")
  const { openReader } = await import("../../host-proxy/archive/open-reader.ts")
  const { readDenied } = await import("../../host-proxy/read-denied.ts")
  const { runId } = await readRecord(context.home, machine)
  await using reader = openReader(context.home.archive)
  if (!reader) return { runId, hosts: [] }
  const sinceMs = sinceSeconds === undefined ? 0 : context.now() - sinceSeconds * 1000
  const hosts = await context.progress.step("Reading refusals", () =>
    readDenied(reader, { runId, sinceMs, openable }),
  )
  return { runId, hosts }
}
