/** A region of AWS on loopback: moto, behind a thin layer that does what moto leaves out, and goes wrong on demand. */

import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { buffer } from "node:stream/consumers"
import { type AwsAnswer, type AwsCall, readCall } from "./call.ts"
import { openEbsLayer, type SnapshotState } from "./ebs-layer.ts"
import { openEc2Layer } from "./ec2-layer.ts"
import { type Knobs, quietKnobs } from "./knobs.ts"
import { openMoto } from "./open-moto.ts"

export interface SeenCall {
  readonly action: string
  readonly status: number | "cut" | "lost"
  readonly fields: Readonly<Record<string, string>>
}

export interface Aws extends AsyncDisposable {
  readonly url: string
  /** moto itself, without the layer. */
  readonly motoUrl: string
  readonly knobs: Knobs
  /** Every call with how it was answered. */
  readonly calls: SeenCall[]
  readonly snapshots: ReadonlyMap<string, SnapshotState>
  readonly made: ReadonlyMap<string, Readonly<Record<string, string>>>
  /** How many calls of this name were under way at once, at most. */
  readonly peak: (action: string) => number
  readonly forgetPeaks: () => void
  /** Answered well, of this name. */
  readonly count: (action: string) => number
}

const READS = /^(Describe|List|Get)/

/** Calls that change something. */
export function writesOf(calls: readonly SeenCall[]): readonly string[] {
  return calls.map(({ action }) => action).filter((action) => !READS.test(action))
}

export async function openAws(): Promise<Aws> {
  const moto = await openMoto()
  const knobs = quietKnobs()
  const calls: SeenCall[] = []
  const ebs = openEbsLayer(knobs)
  const ec2 = openEc2Layer(knobs, ebs)
  const send = (call: AwsCall) => forward(moto.url, call)
  const active = new Map<string, number>()
  const peaks = new Map<string, number>()
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    )
    const call = readCall(request.method ?? "", request.url ?? "", headers, await buffer(request))
    const { action, fields } = call
    const now = (active.get(action) ?? 0) + 1
    active.set(action, now)
    peaks.set(action, Math.max(now, peaks.get(action) ?? 0))
    try {
      const injected = knobs.intercept(call)
      const layer = call.service === "ebs" ? ebs : ec2
      const answer = injected === null || injected === "lost" ? await layer.answer(call, send) : injected
      const status = injected === "lost" ? "lost" : answer === "cut" ? "cut" : answer.status
      calls.push({ action, status, fields })
      if (injected === "lost" || answer === "cut") response.destroy()
      else response.writeHead(answer.status, answer.headers).end(answer.body)
    } finally {
      active.set(action, (active.get(action) ?? 1) - 1)
    }
  }
  const server = createServer((request, response) => {
    serve(request, response).catch((thrown: unknown) => response.writeHead(599).end(String(thrown)))
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // a TCP server's address is never a string
  return {
    url: `http://127.0.0.1:${port}`,
    motoUrl: moto.url,
    knobs,
    calls,
    snapshots: ebs.snapshots,
    made: ec2.made,
    peak: (action) => peaks.get(action) ?? 0,
    forgetPeaks: () => peaks.clear(),
    count: (action) =>
      calls.filter((one) => one.action === action && typeof one.status === "number" && one.status < 300)
        .length,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
      await moto[Symbol.asyncDispose]()
    },
  }
}

async function forward(url: string, call: AwsCall): Promise<AwsAnswer> {
  const dropped = new Set(["host", "connection", "content-length", "transfer-encoding", "expect"])
  const headers = Object.entries(call.headers).filter(([name]) => !dropped.has(name))
  const response = await fetch(`${url}${call.target}`, {
    method: call.method,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
    ...(call.method === "GET" ? {} : { body: new Uint8Array(call.body) }),
  })
  const kept = [...response.headers].filter(([name]) => /^(content-type|x-amz)/.test(name))
  return {
    status: response.status,
    headers: Object.fromEntries(kept),
    body: Buffer.from(await response.arrayBuffer()),
  }
}
