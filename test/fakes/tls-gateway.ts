/** A gateway that is somewhere else: HTTP/2 over TLS with a certificate of an authority of its own. */

import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto"
import { once } from "node:events"
import { createSecureServer, type IncomingHttpHeaders } from "node:http2"
import type { AddressInfo } from "node:net"
import { renderCertificate } from "../../guest-agent/capture/certificate.ts"

export interface TlsGateway extends AsyncDisposable {
  readonly port: number
  readonly seen: { readonly headers: IncomingHttpHeaders; readonly body: string }[]
}

const DAY_MS = 86_400_000
const ISSUER = "a site's authority"

/** An authority as PEM, private key and certificate. */
export function makeAuthority(nowMs: number): { readonly key: string; readonly cert: string } {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const cert = renderCertificate({
    ...{ subject: ISSUER, issuer: ISSUER, key: privateKey, issuerKey: privateKey, names: null },
    ...{ notBeforeMs: nowMs - DAY_MS, notAfterMs: nowMs + 3650 * DAY_MS },
  })
  return { key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(), cert }
}

/** `name`: host name or IPv4 address of its certificate; `port` 0: any. It answers each request with its own words. */
export async function openTlsGateway(
  authorityKey: string,
  name: string,
  port: number,
  nowMs: number,
): Promise<TlsGateway> {
  const own = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const server = createSecureServer({
    key: own.privateKey.export({ type: "pkcs8", format: "pem" }),
    cert: certify(own.privateKey, createPrivateKey(authorityKey), name, nowMs),
    minVersion: "TLSv1.3",
    allowHTTP1: false,
  })
  const seen: { headers: IncomingHttpHeaders; body: string }[] = []
  const sessions = new Set<{ destroy(): void }>()
  server.on("session", (session) => {
    sessions.add(session)
    session.on("error", () => session.destroy())
  })
  server.on("sessionError", () => undefined)
  server.on("stream", (stream, headers) => {
    const chunks: Buffer[] = []
    stream.on("error", () => stream.destroy())
    stream.on("data", (chunk: Buffer) => chunks.push(chunk))
    stream.once("end", () => {
      seen.push({ headers, body: Buffer.concat(chunks).toString() })
      stream.respond({ ":status": 200, "content-type": "text/plain" })
      stream.end(`the gateway saw ${headers[":method"]} ${headers[":authority"]}${headers[":path"]}\n`)
    })
  })
  server.listen(port, "127.0.0.1")
  await once(server, "listening")
  return {
    port: (server.address() as AddressInfo).port, // a TCP server's address is never a string
    seen,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

function certify(key: KeyObject, issuerKey: KeyObject, name: string, nowMs: number): string {
  return renderCertificate({
    ...{ subject: name, issuer: ISSUER, key, issuerKey, names: [name] },
    ...{ notBeforeMs: nowMs - DAY_MS, notAfterMs: nowMs + DAY_MS },
  })
}
