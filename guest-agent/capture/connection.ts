/** What is known of a client's connection before its first request. */

import type { Socket } from "node:net"
import type { Envelope } from "../../contract/uplink.ts"

export interface Connection {
  readonly via: Envelope["via"]
  readonly scheme: "http" | "https"
  /** The name that TLS was asked for or CONNECT named; null for plain HTTP. */
  readonly serverName: string | null
  /** The calling process, as far as it can be known. */
  readonly caller: Promise<Envelope["process"]>
  /** The client's own TCP connection: TLS may lie over it. */
  readonly socket: Socket
}

/** The connection below each socket that a request comes by. */
export type Connections = WeakMap<object, Connection>

/** Ends it so that the client sees a broken connection and never a complete answer. */
export function cut({ socket }: Connection): void {
  socket.resetAndDestroy()
}
