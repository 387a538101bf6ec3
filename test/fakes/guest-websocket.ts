/** A guest's WebSocket on the egress wire: an extended CONNECT, and frames as a test writes them. */

import { once } from "node:events"
import type { ClientHttp2Session, ClientHttp2Stream } from "node:http2"
import { type Frame, FrameReader } from "../../host-proxy/websocket/frame-reader.ts"

export interface GuestWebSocketRequest {
  readonly authority: string
  readonly path: string
  readonly scheme?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Opens one; what the host answered is in `status` and `headers`, and in `body` when it refused. */
export async function openGuestWebSocket(
  session: ClientHttp2Session,
  { authority, path, scheme = "https", headers = {} }: GuestWebSocketRequest,
): Promise<GuestWebSocket> {
  // extended CONNECT may be asked for only when the host has offered it
  if (!session.remoteSettings?.enableConnectProtocol) await once(session, "remoteSettings")
  const stream = session.request(
    {
      ":method": "CONNECT",
      ":protocol": "websocket",
      ":scheme": scheme,
      ":authority": authority,
      ":path": path,
      ...headers,
    },
    { endStream: false },
  )
  stream.on("error", () => stream.destroy())
  const [answer] = await once(stream, "response")
  return new GuestWebSocket(stream, answer)
}

export class GuestWebSocket {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly frames: Frame[] = []
  /** Everything that came, as it came. */
  body: Buffer = Buffer.alloc(0)
  /** Resolves with whether the stream's end was an orderly one. */
  readonly closed: Promise<boolean>
  readonly stream: ClientHttp2Stream

  constructor(stream: ClientHttp2Stream, headers: Readonly<Record<string, unknown>>) {
    this.stream = stream
    this.headers = headers
    this.status = Number(headers[":status"])
    const reader = new FrameReader(false)
    stream.on("data", (chunk: Buffer) => {
      this.body = Buffer.concat([this.body, chunk])
      if (this.status === 200) this.frames.push(...reader.feed(chunk))
    })
    let ended = false
    stream.on("end", () => {
      ended = true
    })
    this.closed = new Promise((resolve) => stream.once("close", () => resolve(ended && stream.rstCode === 0)))
  }

  /** The code of the close frame that came; null: none did. */
  get closeCode(): number | null {
    const close = this.frames.find((frame) => frame.opcode === 8)
    return close && close.payload.length >= 2 ? close.payload.readUInt16BE(0) : null
  }

  async send(...frames: readonly Buffer[]): Promise<void> {
    for (const frame of frames) {
      if (this.stream.destroyed || !this.stream.writable) return
      if (!this.stream.write(frame)) await Promise.race([once(this.stream, "drain"), this.closed])
    }
  }
}
