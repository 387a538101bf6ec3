/** Canaries and DNS sink together, tried before they are believed: a witness that sees nothing proves nothing. */

import { createSocket } from "node:dgram"
import { once } from "node:events"
import { connect } from "node:net"
import { setTimeout as delay } from "node:timers/promises"
import { Fault } from "../../contract/fault.ts"
import { type Canaries, type CanaryPlace, openCanaries } from "./open-canaries.ts"
import { type DnsSink, openDnsSink } from "./open-dns-sink.ts"

export interface WitnessRequest {
  readonly addresses: readonly string[]
  readonly world: {
    readonly upstreamPort: number
    readonly tls: { readonly certificate: string; readonly key: string }
    /** Ports on which every address listens. */
    readonly ports: readonly number[]
  } | null
}

export interface Witnesses extends AsyncDisposable {
  readonly canaries: Canaries
  readonly sink: DnsSink
}

const DNS_PORT = 53
const TOKEN = "stereo-attack-self-test"
const WAIT_MS = 3000

/** Faults: `attack/cannot-listen`, `attack/blind-witness`. */
export async function openWitnesses({ addresses, world }: WitnessRequest): Promise<Witnesses> {
  const canaries = await openCanaries({ places: placesOf(addresses, world), tls: world?.tls ?? null })
  try {
    const sink = await openDnsSink(world ? "0.0.0.0" : "127.0.0.1", world ? DNS_PORT : 0)
    const witnesses: Witnesses = {
      canaries,
      sink,
      async [Symbol.asyncDispose]() {
        await Promise.all([canaries[Symbol.asyncDispose](), sink[Symbol.asyncDispose]()])
      },
    }
    await tryAll(
      witnesses,
      world === null ? ["127.0.0.1"] : ["127.0.0.1", "93.184.216.34", "169.254.169.254"],
    )
    return witnesses
  } catch (thrown) {
    await canaries[Symbol.asyncDispose]()
    throw thrown
  }
}

function placesOf(addresses: readonly string[], world: WitnessRequest["world"]): readonly CanaryPlace[] {
  if (world === null) return ["127.0.0.1", ...addresses].map((address) => ({ address, port: 0 }))
  return [
    { address: "::", port: 0 },
    ...world.ports.filter((port) => port !== DNS_PORT).map((port) => ({ address: "::", port })),
    { address: "127.0.0.1", port: world.upstreamPort, upstream: true },
  ]
}

/** Sends a byte by each way and waits until the witness has it; then forgets them. */
async function tryAll({ canaries, sink }: Witnesses, addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    const socket = connect(canaries.port, address)
    await once(socket, "connect")
    socket.end(TOKEN)
  }
  const udp = createSocket("udp4")
  udp.send(TOKEN, canaries.port, "127.0.0.1")
  udp.send(renderQuestion(TOKEN), sink.port, "127.0.0.1")
  const seen = (protocol: string) =>
    canaries.touches().filter((touch) => touch.protocol === protocol && touch.text === TOKEN).length
  const complete = () =>
    seen("tcp") === addresses.length &&
    seen("udp") === 1 &&
    sink.questions().some(({ name }) => name === TOKEN)
  for (let waitedMs = 0; waitedMs < WAIT_MS && !complete(); waitedMs += 20) await delay(20)
  udp.close()
  if (!complete()) {
    throw new Fault(
      "attack/blind-witness",
      "a canary or the DNS sink did not see what this program itself sent it",
      {
        hint: "something on this host stands between it and its own addresses: look at its packet filter",
      },
    )
  }
  canaries.clear()
  sink.clear()
}

function renderQuestion(name: string): Buffer {
  return Buffer.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, name.length, ...Buffer.from(name), 0, 0, 1, 0, 1])
}
