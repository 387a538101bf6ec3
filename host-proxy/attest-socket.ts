/** Asks a machine that somebody else started what it is, over the socket of its control wire, and judges the answer. */

import { type ClientHttp2Session, connect } from "node:http2"
import { resolve } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { guestHealth } from "../contract/control.ts"
import { Fault, reasonOf } from "../contract/fault.ts"
import type { Measured } from "../contract/measurement.ts"
import { type Expected, type Judgement, judgeMeasurement } from "./attestation/judge-measurement.ts"
import { askGuest } from "./guest/ask-guest.ts"
import { connectSocket } from "./guest/connect-socket.ts"
import { readMeasurements } from "./guest/read-measurements.ts"

export interface AttestRequest {
  /** A unix socket whose other end is the guest's virtio-serial port `stereo.control`. */
  readonly socketPath: string
  readonly expected: Expected
  /** How long the guest may take until it has measured itself. */
  readonly timeoutMs: number
  /** Whatever it is found to be, it is turned off. */
  readonly shutdown: boolean
  readonly note: (text: string) => void
  readonly signal: AbortSignal
}

const RETRY_MS = 250
const ANSWER_MS = 20_000

/** Faults: `attest/no-answer` when the guest has not measured itself in time, `attest/ended`. */
export async function attestSocket(request: AttestRequest): Promise<Judgement> {
  const timeout = AbortSignal.timeout(request.timeoutMs)
  const signal = AbortSignal.any([request.signal, timeout])
  let waitingFor = "the guest agent's first answer"
  let wasThere = false
  while (!signal.aborted) {
    try {
      return await askOnce(request, signal)
    } catch (thrown) {
      const isThere = !isNobodyThere(thrown)
      if (wasThere && !isThere) throw ended(request, waitingFor)
      wasThere ||= isThere
      // the end of the time is no reason
      if (!signal.aborted) waitingFor = reasonOf(thrown)
      request.note(waitingFor)
    }
    await delay(RETRY_MS, null, { signal }).catch(() => null) // aborted: the loop's condition ends it
  }
  request.signal.throwIfAborted()
  const seconds = Math.round(request.timeoutMs / 1000)
  throw new Fault(
    "attest/no-answer",
    `${request.socketPath}: the guest has not measured itself within ${seconds} s: ${waitingFor}`,
    {
      hint: "the machine's serial console says how far it came; QEMU needs a virtserialport of the name stereo.control",
    },
  )
}

/** QEMU takes its socket away when it ends, and leaves one that nobody listens on when it is killed. */
function isNobodyThere(thrown: unknown): boolean {
  return thrown instanceof Error && "code" in thrown && /^(ENOENT|ECONNREFUSED)$/.test(String(thrown.code))
}

function ended({ socketPath }: AttestRequest, waitingFor: string): Fault {
  return new Fault(
    "attest/ended",
    `${socketPath}: the machine has ended before it measured itself: ${waitingFor}`,
    {
      hint: "its serial console says why: a disk that is not the sealed one ends in a panic of dm-verity",
    },
  )
}

/** One connection; rejects when the guest is not there yet, or not whole. */
async function askOnce(request: AttestRequest, signal: AbortSignal): Promise<Judgement> {
  const socket = await connectSocket(resolve(request.socketPath), signal)
  const session = connect("http://guest", { createConnection: () => socket, maxSessionMemory: 64 })
  // every request below fails with it
  session.on("error", () => session.destroy())
  try {
    await requireWhole(session, signal)
    const judgement = judgeMeasurement(request.expected, await readFirst(session, signal))
    if (request.shutdown) {
      await askGuest(session, { method: "POST", path: "/shutdown", timeoutMs: ANSWER_MS, signal })
    }
    return judgement
  } finally {
    session.destroy()
    socket.destroy()
  }
}

/** What is measured before packet filter and proxy are up is not what the machine will be. */
async function requireWhole(session: ClientHttp2Session, signal: AbortSignal): Promise<void> {
  const answer = await askGuest(session, { method: "GET", path: "/health", timeoutMs: ANSWER_MS, signal })
  const health = guestHealth.parse(JSON.parse(answer))
  if (!health.firewall) throw new Error("still waiting for the guest's firewall rules")
  if (!health.capture) throw new Error("still waiting for the guest's capture proxy")
}

async function readFirst(session: ClientHttp2Session, signal: AbortSignal): Promise<Measured> {
  const enough = new AbortController()
  let first: Measured | null = null
  const reading = readMeasurements(session, {
    take: (line) => {
      if (line.kind !== "measured" || first !== null) return
      first = line
      enough.abort()
    },
    pace: async () => true, // nothing is read after the first
    signal: AbortSignal.any([signal, enough.signal]),
  })
  const ended = await reading.catch((thrown: unknown) => thrown)
  if (first === null) throw ended
  return first
}
