/** A host service opened over a lab, and the small client of host.sock that tests need. */

import { once } from "node:events"
import { connect } from "node:http2"
import { createConnection } from "node:net"
import { type Host, type HostOptions, openHost } from "../../host-proxy/open-host.ts"
import type { HostLab } from "./host-lab.ts"

export interface ApiAnswer {
  readonly status: number
  readonly body: string
}

/** Opens the service over the lab; its log lines go into `lines`. */
export function startHost(
  lab: HostLab,
  lines: string[] = [],
  more: Partial<HostOptions> = {},
): Promise<Host> {
  return openHost({
    home: lab.home,
    policiesDir: lab.policiesDir,
    environment: {},
    version: "0.1.0",
    pid: process.pid,
    now: Date.now,
    log: (line) => lines.push(line),
    ...more,
  })
}

export async function callHost(
  socketPath: string,
  method: string,
  path: string,
  body?: string,
): Promise<ApiAnswer> {
  const session = connect("http://host", { createConnection: () => createConnection(socketPath) })
  // the stream fails with it, and tells
  session.on("error", () => session.destroy())
  try {
    const stream = session.request({ ":method": method, ":path": path })
    stream.end(body)
    const [headers] = await once(stream, "response")
    const parts: Buffer[] = []
    for await (const chunk of stream) parts.push(chunk as Buffer)
    return { status: Number(headers[":status"]), body: Buffer.concat(parts).toString("utf8") }
  } finally {
    session.destroy()
  }
}
