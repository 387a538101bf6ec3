/** `stereo ls --on ec2`, and `down` and `rm --on ec2`: the instances that stereo started, found by their tags. */

import { Fault } from "../../contract/fault.ts"
import { jsonText } from "../../contract/json-text.ts"
import type { CliContext } from "../context.ts"
import { printTable } from "../print-table.ts"
import { printableLine } from "../printable-line.ts"
import { type CloudOptions, readPlace } from "./cloud-options.ts"

export async function listOnEc2(
  context: CliContext,
  options: CloudOptions & { readonly json?: boolean },
): Promise<void> {
  const { openClients } = await import("../../publish/ec2/open-clients.ts")
  const { listInstances } = await import("../../publish/ec2/instance/instances.ts")
  using clients = openClients(readPlace(context, options))
  const machines = await listInstances(clients, context.signal)
  if (options.json) return context.print(jsonText(machines))
  if (machines.length === 0) return context.print(`no instance of stereo's in ${clients.place.region}\n`)
  const rows = machines.map((one) =>
    [one.name, one.id, one.state, one.instanceType, one.address ?? "-", one.startedAt ?? "-"].map((cell) =>
      printableLine(cell, 64),
    ),
  )
  context.print(printTable(["NAME", "INSTANCE", "STATE", "TYPE", "ADDRESS", "STARTED"], rows))
}

/** Names, or instance ids of stereo's own instances; `force`: unknown ones are no failure. */
export async function endOnEc2(
  context: CliContext,
  wanted: readonly string[],
  options: CloudOptions & { readonly force?: boolean },
): Promise<void> {
  const { openClients } = await import("../../publish/ec2/open-clients.ts")
  const { listInstances, terminateInstances } = await import("../../publish/ec2/instance/instances.ts")
  const { signal, progress } = context
  using clients = openClients(readPlace(context, options))
  const machines = await listInstances(clients, signal)
  for (const one of wanted) {
    const found = machines.filter(({ name, id }) => name === one || id === one)
    if (found.length === 0 && options.force !== true) {
      throw new Fault(
        "ec2/unknown",
        `there is no instance of stereo's called "${one}" in ${clients.place.region}`,
        {
          hint: "`stereo ls --on ec2` shows them; instances that stereo did not start are not touched",
        },
      )
    }
    const ids = found.map(({ id }) => id)
    await progress.step(`Terminate ${one}`, () => terminateInstances(clients, ids, signal))
    for (const id of ids) context.print(`${one}: ${id} is being terminated\n`)
  }
}
