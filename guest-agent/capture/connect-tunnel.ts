/** CONNECT: the host is asked first; only what it allows is taken on, and then ends here as TLS, not as a tunnel. */

import { createHash } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { IncomingHttpHeaders } from "node:http2"
import type { Socket } from "node:net"
import { reasonOf } from "../../contract/fault.ts"
import { newIdentifier } from "../../contract/identifier.ts"
import type { Connection } from "./connection.ts"
import { claims, type ExchangeContext } from "./exchange.ts"
import { type HostAnswer, passOn } from "./pass-on.ts"
import { type Refusal, writeRefusal } from "./refusal.ts"
import { parseConnectTarget } from "./target.ts"

const MAX_REFUSAL_BYTES = 65_536
const ANSWER_MS = 10_000

/** Resolves with the host name when TLS may begin; null when the client has had its refusal. */
export async function askForTunnel(
  incoming: IncomingMessage,
  socket: Socket,
  connection: Connection,
  context: ExchangeContext,
): Promise<string | null> {
  const startedAtMs = context.nowMs()
  const exchange = newIdentifier(startedAtMs)
  socket.on("error", () => socket.destroy())
  const target = parseConnectTarget(incoming.url)
  if ("problem" in target) {
    const hint = "expected CONNECT host:port"
    writeRefusal(socket, { status: 400, rule: "proxy/bad-target", message: target.problem, hint, exchange })
    return null
  }
  try {
    const answer = await ask(target.authority, exchange, connection, context)
    if (answer.status === 200) {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n")
      return target.host
    }
    passOn(socket, answer)
    // a refusal is an exchange of its own in the host's archive; what is allowed comes as requests
    context.report({
      id: exchange,
      startedAtMs,
      endedAtMs: context.nowMs(),
      via: connection.via,
      process: await connection.caller,
      method: "CONNECT",
      authority: target.authority,
      path: "",
      status: answer.status,
      requestSha256: sha256(""),
      requestBytes: 0,
      responseSha256: sha256(answer.body),
      responseBytes: answer.body.length,
      outcome: "complete",
    })
  } catch (thrown) {
    writeRefusal(socket, unreachable(exchange, thrown))
  }
  return null
}

async function ask(
  authority: string,
  exchange: string,
  connection: Connection,
  { gateway }: ExchangeContext,
): Promise<HostAnswer> {
  const process = await connection.caller
  const session = await gateway.acquire(false)
  const headers = { ":method": "CONNECT", ":authority": authority, ...claims(exchange, process, null) }
  const stream = session.request(headers, false)
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    let head: { status: number; rawHeaders: readonly string[] } | null = null
    stream.setTimeout(ANSWER_MS, () => stream.destroy(new Error(`no answer within ${ANSWER_MS} ms`)))
    stream.on("response", (fields: IncomingHttpHeaders, _flags: number, rawHeaders: string[]) => {
      session.noteAlive()
      head = { status: Number(fields[":status"]), rawHeaders }
      // the question is answered: what follows comes as requests of their own
      stream.end()
    })
    stream.on("data", (chunk: Buffer) => {
      size += chunk.length
      if (size <= MAX_REFUSAL_BYTES) chunks.push(chunk)
    })
    stream.once("error", reject)
    stream.once("close", () => {
      if (head) resolve({ ...head, body: Buffer.concat(chunks) })
      else reject(new Error("the host closed the stream without an answer"))
    })
  })
}

function sha256(bytes: Buffer | string): string {
  return createHash("sha256").update(bytes).digest("hex")
}

function unreachable(exchange: string, thrown: unknown): Refusal {
  return {
    status: 503,
    rule: "gateway/unreachable",
    message: `the gateway cannot be asked, so nothing leaves this machine: ${reasonOf(thrown)}`,
    hint: "on the host: stereo doctor; then try again",
    exchange,
  }
}
