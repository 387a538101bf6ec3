/** The guest agent's spine: envelopes in, control served, uplink served, until the signal. */

import { GUEST_FILES, GUEST_UNITS, VIRTIO_PORTS } from "../../contract/wire.ts"
import { askUnit } from "./connect-unit.ts"
import { isControlStart, serveControl } from "./control-server.ts"
import { openSpool } from "./envelope-spool.ts"
import { findCaller } from "./find-caller.ts"
import { readFirewall, readHealth } from "./health.ts"
import { applyIdentity, parseIdentity } from "./identity.ts"
import { openMeasurements } from "./measurements.ts"
import { servePort } from "./port-sessions.ts"
import { listenForProxy } from "./proxy-intake.ts"
import { type SessionUser, startSshSession } from "./ssh-session.ts"
import { serveUplink } from "./uplink-client.ts"
import { openPort } from "./virtio-port.ts"

export interface AgentContext {
  /** The guest's clock, milliseconds since 1970. */
  readonly nowMs: () => number
  readonly log: (line: string) => void
  /** Open descriptors by name, from systemd; a port that is not among them is looked for. */
  readonly openFiles: ReadonlyMap<string, number>
  readonly signal: AbortSignal
}

export async function runAgent(context: AgentContext): Promise<void> {
  const { log, openFiles, signal } = context
  const control = serveControlPort(context)
  const spool = await openSpool(`${GUEST_FILES.dir}/spool`, log)
  const intake = await listenForProxy(GUEST_FILES.envelopes, { append: spool.append, findCaller, log })
  const uplink = openPort(VIRTIO_PORTS.uplink, openFiles.get("uplink")).then((port) =>
    servePort(
      port,
      { onSession: (stream) => serveUplink(stream, spool, log), isStart: () => false, speaksFirst: true },
      signal,
    ),
  )
  try {
    await Promise.all([control, uplink])
  } finally {
    intake.close()
  }
}

async function serveControlPort({ nowMs, log, openFiles, signal }: AgentContext): Promise<void> {
  const port = await openPort(VIRTIO_PORTS.control, openFiles.get("control"))
  const measurements = openMeasurements(log)
  let identified = false
  const handlers = {
    log,
    health: () => readHealth(identified, measurements.ruleset()),
    firewall: readFirewall,
    measure: measurements.follow,
    identify: async (body: unknown) => {
      await applyIdentity(parseIdentity(body), nowMs)
      identified = true
    },
    ssh: (stream: Parameters<typeof startSshSession>[0], user: SessionUser) =>
      startSshSession(stream, user, log),
    shutdown: () => {
      askUnit(GUEST_UNITS.poweroff, "").catch((thrown) => log(String(thrown)))
    },
  }
  log(`control port open after ${Math.round(performance.now())} ms`)
  const onSession = (stream: Parameters<typeof serveControl>[0]) => {
    serveControl(stream, handlers)
  }
  await servePort(port, { onSession, isStart: isControlStart, speaksFirst: false }, signal)
}
