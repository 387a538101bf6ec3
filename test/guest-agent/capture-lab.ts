/** The real capture proxy in a lab's guest, before a stand-in of the host that the tests direct. */

import type { ChildProcess } from "node:child_process"
import { chownSync, copyFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs"
import type { Http2Server } from "node:http2"
import { dirname, join } from "node:path"
import { createInterface } from "node:readline"
import { setTimeout as sleep } from "node:timers/promises"
import type { Envelope } from "../../contract/uplink.ts"
import { GATEWAY, GUEST_USERS } from "../../contract/wire.ts"
import { findCaller } from "../../guest-agent/agent/find-caller.ts"
import { listenForProxy } from "../../guest-agent/agent/proxy-intake.ts"
import { GatewayStandIn } from "./gateway-stand-in.ts"
import { bundleGuestProgram, GuestLab, projectDir } from "./guest-lab.ts"
import type { ProbeEvent, ProbeSpec } from "./probe-client.ts"

export interface ProbeResult {
  readonly status: number | null
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Buffer
  /** The client took the answer for whole. */
  readonly ended: boolean
  readonly error: string | null
  readonly resolved: unknown
}

export interface RawCase {
  /** latin1. */
  readonly bytes: string
  readonly host: string
  readonly port: number
  /** Sent byte by byte, so many milliseconds apart. */
  readonly dripMs?: number | undefined
}

export interface RawCame {
  /** Which case it answers. */
  readonly index: number
  readonly answer: string
  readonly elapsedMs: number
}

export interface CaptureLab {
  readonly lab: GuestLab
  readonly host: GatewayStandIn
  readonly envelopes: Envelope[]
  /** The proxy's process. */
  readonly capture: ChildProcess
  /** Runs the probe client as the agent; `onEvent` sees what it prints as it prints it. */
  readonly probe: (spec: ProbeSpec, onEvent?: (event: ProbeEvent) => void) => Promise<ProbeResult>
  /** Sends bytes on connections of their own, as the agent, and says what came back. */
  readonly send: (cases: readonly RawCase[]) => Promise<readonly RawCame[]>
  /** The envelope of the exchange that the host saw with that id. */
  readonly envelopeOf: (id: unknown) => Promise<Envelope>
  readonly close: () => Promise<void>
}

export async function openCaptureLab(): Promise<CaptureLab> {
  const lab = new GuestLab()
  const host = new GatewayStandIn(join(lab.dir, "gateway.sock"))
  const envelopes: Envelope[] = []
  await host.start()
  const { capture, intake } = await startCaptureBefore(lab, join(lab.dir, "gateway.sock"), envelopes)
  for (const name of ["probe-client.ts", "garbage-client.ts", "corpus-client.ts", "websocket-client.ts"]) {
    copyFileSync(join(projectDir, "test/guest-agent", name), join(lab.dir, name))
  }
  return {
    lab,
    host,
    envelopes,
    capture,
    probe: (spec, onEvent) => probe(lab, spec, onEvent),
    send: (cases) => sendRaw(lab, cases),
    envelopeOf: (id) => waitFor(`the envelope ${id}`, () => envelopes.find((one) => one.id === id)),
    close: () => close(lab, host, intake),
  }
}

/** The capture proxy in the lab's guest, whose gateway is what listens on `gatewaySocket` outside. */
export async function startCaptureBefore(
  lab: GuestLab,
  gatewaySocket: string,
  envelopes: Envelope[],
): Promise<{ readonly capture: ChildProcess; readonly intake: Http2Server }> {
  const socket = join(lab.dir, "run", "agent", "envelopes.sock")
  mkdirSync(dirname(socket), { recursive: true })
  const intake = await listenForProxy(socket, {
    append: async (batch) => void envelopes.push(...batch),
    findCaller,
    log: (line) => process.stderr.write(`${line}\n`),
  })
  // in an image the agent's group is the proxy's
  chownSync(socket, process.getuid?.() ?? 0, GUEST_USERS.capture.uid)
  await startRelay(lab, gatewaySocket)
  return { capture: await startCapture(lab), intake }
}

/** Polls until `find` gives something. */
export async function waitFor<Found>(what: string, find: () => Found | undefined): Promise<Found> {
  for (let count = 0; count < 500; count += 1) {
    const found = find()
    if (found !== undefined) return found
    await sleep(20)
  }
  throw new Error(`waited in vain for ${what}`)
}

async function close(lab: GuestLab, host: GatewayStandIn, intake: Http2Server): Promise<void> {
  await host.die()
  intake.close()
  lab[Symbol.dispose]()
}

async function startRelay(lab: GuestLab, gatewaySocket: string): Promise<void> {
  const program = join(projectDir, "test/guest-agent/chardev-relay.ts")
  const argv = [program, GATEWAY.address, String(GATEWAY.port), gatewaySocket]
  const relay = lab.startOutside([process.execPath, ...argv])
  relay.stderr?.pipe(process.stderr)
  await new Promise((resolve) => relay.stdout?.once("data", resolve))
}

async function startCapture(lab: GuestLab): Promise<ChildProcess> {
  const program = join(lab.dir, "capture.cjs")
  await bundleGuestProgram("guest-agent/capture/main.ts", program)
  const capture = lab.start(GUEST_USERS.capture.uid, ["/run/node", program])
  capture.stderr?.on("data", (chunk) => process.stderr.write(chunk))
  await waitFor("the proxy's certificate", () => existsSync(join(lab.dir, "run/ca/bundle.crt")) || undefined)
  const listening =
    'for i in $(seq 500); do grep -q "0100007F:0C38 .* 0A " /proc/net/tcp && exit; sleep 0.02; done; exit 1'
  await lab.run(GUEST_USERS.agent.uid, ["sh", "-c", listening])
  return capture
}

async function sendRaw(lab: GuestLab, cases: readonly RawCase[]): Promise<readonly RawCame[]> {
  const file = join(lab.dir, "cases.json")
  writeFileSync(file, JSON.stringify(cases))
  const argv = ["/run/node", join(lab.dir, "corpus-client.ts"), file]
  const { stdout } = await lab.run(GUEST_USERS.agent.uid, argv, "", { NODE_NO_WARNINGS: "1" })
  return stdout
    .trim()
    .split("\n")
    .map((line): RawCame => JSON.parse(line))
}

async function probe(
  lab: GuestLab,
  spec: ProbeSpec,
  onEvent?: (event: ProbeEvent) => void,
): Promise<ProbeResult> {
  const env = { NODE_EXTRA_CA_CERTS: "/run/stereo/ca/ca.crt", NODE_NO_WARNINGS: "1" }
  const argv = ["/run/node", join(lab.dir, "probe-client.ts"), JSON.stringify(spec)]
  const child = lab.start(GUEST_USERS.agent.uid, argv, env)
  child.stderr?.on("data", (chunk) => process.stderr.write(chunk))
  const result = { status: null as number | null, headers: {}, ended: false, error: null as string | null }
  const chunks: Buffer[] = []
  let resolved: unknown
  if (!child.stdout) throw new Error("the probe has no standard output")
  for await (const line of createInterface({ input: child.stdout })) {
    const event: ProbeEvent = JSON.parse(line)
    if ("head" in event) Object.assign(result, event.head)
    if ("chunk" in event) chunks.push(Buffer.from(event.chunk, "base64"))
    if ("end" in event) result.ended = true
    if ("error" in event) result.error = event.error
    if ("resolved" in event) resolved = event.resolved
    onEvent?.(event)
  }
  return { ...result, body: Buffer.concat(chunks), resolved }
}
