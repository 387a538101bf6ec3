/** Answers what host.sock is asked about what may leave a running machine. */

import type { ServerHttp2Stream } from "node:http2"
import type { z } from "zod"
import { Fault, reasonOf } from "../../contract/fault.ts"
import {
  type EgressReport,
  type LiveChange,
  liveRequest,
  operatorClaim,
  type ReloadReport,
  revokeRequest,
} from "../../contract/host-egress-api.ts"
import { type AskControl, serveAsk } from "./serve-ask.ts"

/** A machine's egress as this interface needs it. */
export interface EgressControl extends AskControl {
  report(): EgressReport
  reload(claimedUser: string | null): Promise<ReloadReport>
  change(kind: "allow" | "deny", wish: z.output<typeof liveRequest>): Promise<LiveChange>
  revoke(wish: z.output<typeof revokeRequest>): Promise<LiveChange>
}

export interface EgressRequest {
  readonly stream: ServerHttp2Stream
  readonly method: string
  /** Behind the machine's name: `/egress…` or `/reload`. */
  readonly path: string
  readonly name: string
}

const MAX_BODY_BYTES = 64 * 1024

export async function answerEgress(request: EgressRequest, egress: EgressControl): Promise<void> {
  const { stream } = request
  const [path = "", query = ""] = request.path.split("?", 2)
  switch (`${request.method} ${path}`) {
    case "GET /egress":
      return answerJson(stream, egress.report())
    case "POST /reload": {
      const { claimedUser } = await readBody(stream, operatorClaim)
      return answerJson(stream, await egress.reload(claimedUser))
    }
    case "POST /egress/allow":
      return answerJson(stream, await egress.change("allow", await readBody(stream, liveRequest)))
    case "POST /egress/deny":
      return answerJson(stream, await egress.change("deny", await readBody(stream, liveRequest)))
    case "POST /egress/revoke":
      return answerJson(stream, await egress.revoke(await readBody(stream, revokeRequest)))
    case "POST /egress/ask":
      return serveAsk(stream, new URLSearchParams(query), egress)
    default: {
      const asked = `${request.method} /machines/${request.name}${request.path.slice(0, 200)}`
      throw new Fault("host/unknown-request", `there is no ${asked}`)
    }
  }
}

/** An empty body stands for one without any field. */
async function readBody<Shape extends z.ZodType>(stream: ServerHttp2Stream, shape: Shape) {
  const parts: Buffer[] = []
  let sizeBytes = 0
  const chunks = stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer> // no encoding is set
  for await (const chunk of chunks) {
    sizeBytes += chunk.length
    if (sizeBytes > MAX_BODY_BYTES) throw badRequest(`a request is at most ${MAX_BODY_BYTES} bytes`)
    parts.push(chunk)
  }
  const text = Buffer.concat(parts).toString("utf8")
  const parsed = shape.safeParse(parseJson(text === "" ? "{}" : text))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw badRequest(`${issue?.path.join(".") || "the request"}: ${issue?.message ?? "not understood"}`)
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw badRequest(`not JSON: ${reasonOf(thrown)}`)
  }
}

function badRequest(message: string): Fault {
  return new Fault("host/bad-request", message)
}

function answerJson(stream: ServerHttp2Stream, body: unknown): void {
  if (stream.headersSent || stream.closed) return
  stream.respond({ ":status": 200, "content-type": "application/json" })
  stream.end(`${JSON.stringify(body)}\n`)
  stream.resume()
}
