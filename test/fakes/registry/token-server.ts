/** Gives tokens for a registry, as a registry's authorization server does, to one user with one password. */

import { generateKeyPairSync, randomUUID, sign } from "node:crypto"
import { once } from "node:events"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { renderCertificate } from "../../../guest-agent/capture/certificate.ts"

export interface TokenServer extends AsyncDisposable {
  /** For the registry's configuration: YAML of `auth`, and the file that it names. */
  readonly auth: string
  readonly rootPem: string
  /** Each request: its form or query, and what it showed. */
  readonly asked: { readonly fields: URLSearchParams; readonly authorization: string | undefined }[]
  /** How long tokens are good for, in seconds. */
  lifeSeconds: number
  /** How many requests to come are answered with 503. */
  busy: number
}

const ISSUER = "tests"
const SERVICE = "registry of the tests"
const DAY_MS = 86_400_000

/** `user` and `password` open everything; `refresh` is a refresh token that does, too. */
export async function openTokenServer(user: string, password: string, refresh: string): Promise<TokenServer> {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const rootPem = renderCertificate({
    ...{ subject: ISSUER, issuer: ISSUER, key: privateKey, issuerKey: privateKey, names: null },
    ...{ notBeforeMs: Date.now() - DAY_MS, notAfterMs: Date.now() + DAY_MS },
  })
  const basic = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`
  const asked: TokenServer["asked"] = []
  const server = createServer(async (request, response) => {
    const fields = await readFields(request)
    asked.push({ fields, authorization: request.headers.authorization })
    if (self.busy > 0) {
      self.busy -= 1
      response.writeHead(503).end()
      return
    }
    const known = request.headers.authorization === basic || fields.get("refresh_token") === refresh
    response.writeHead(known ? 200 : 401, { "content-type": "application/json" })
    const token = known ? mint(fields.getAll("scope"), self.lifeSeconds) : null
    response.end(
      JSON.stringify(known ? { token, expires_in: self.lifeSeconds } : { details: "who are you?" }),
    )
  })
  const mint = (scopes: readonly string[], seconds: number) => {
    const header = { typ: "JWT", alg: "ES256", x5c: [rootPem.replace(/-----[^-]+-----|\s/g, "")] }
    const now = Math.floor(Date.now() / 1000)
    const access = scopes.flatMap((scope) => {
      const [type, name, actions = ""] = scope.split(":")
      return [{ type, name, actions: actions.split(",") }]
    })
    const claims = {
      iss: ISSUER,
      sub: user,
      aud: SERVICE,
      jti: randomUUID(),
      access,
      iat: now,
      nbf: now - 60,
    }
    const body = [header, { ...claims, exp: now + seconds }].map(encode).join(".")
    const signature = sign("sha256", Buffer.from(body), { key: privateKey, dsaEncoding: "ieee-p1363" })
    return `${body}.${signature.toString("base64url")}`
  }
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // it listens on TCP
  const realm = `http://127.0.0.1:${port}/token`
  const self = {
    auth: `{token: {realm: "${realm}", service: "${SERVICE}", issuer: ${ISSUER}, rootcertbundle: /work/root.pem}}`,
    ...{ rootPem, asked, lifeSeconds: 60, busy: 0 },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
  return self
}

async function readFields(request: IncomingMessage): Promise<URLSearchParams> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  if (request.method === "POST") return new URLSearchParams(Buffer.concat(chunks).toString())
  return new URL(request.url ?? "", "http://localhost").searchParams
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url")
}
