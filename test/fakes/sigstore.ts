/** A certificate authority, a transparency log and a CI's token service on local ports: Sigstore's own test doubles behind real HTTP. */

import { createHash, createPublicKey, generateKeyPairSync } from "node:crypto"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { text } from "node:stream/consumers"
import {
  fulcioHandler,
  type HandlerFn,
  initializeCA,
  initializeCTLog,
  initializeTLog,
  rekorHandler,
} from "@sigstore/mock"
import { HashAlgorithm, PublicKeyDetails, TrustedRoot } from "@sigstore/protobuf-specs"
import { z } from "zod"

export interface FakeSigstore extends AsyncDisposable {
  readonly url: string
  /** As a CI sets them: where a token is to be had. */
  readonly environment: Readonly<Record<string, string>>
  /** Text of the trusted_root.json that trusts these two. */
  readonly trustedRoot: string
  readonly identity: string
  readonly issuer: string
  /** From now on the log answers so. */
  failLog(status: number): void
}

const REQUEST_TOKEN = "the-ci-jobs-own-secret"

export async function openFakeSigstore(): Promise<FakeSigstore> {
  const identity = "https://git.example/team/project/.ci/workflows/images.yml@refs/heads/main"
  const issuer = "https://token.example"
  const keys = { ca: keyPair(), ctLog: keyPair(), log: keyPair() }
  const ctLog = await initializeCTLog(keys.ctLog)
  const ca = await initializeCA(keys.ca, ctLog)
  const log = await initializeTLog("https://log.example", keys.log)
  const certificates = fulcioHandler(ca)
  // Rekor keeps of an envelope its digests and its signature; the double keeps what it is given
  const entries = rekorHandler({ ...log, publicKey: log.publicKey, log: (entry) => log.log(keptOf(entry)) })
  let logStatus: number | null = null
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://localhost")
    if (pathname === "/token") return sendToken(request, response, { sub: identity, iss: issuer })
    if (pathname === certificates.path) return void answer(certificates.fn, request, response)
    if (pathname === entries.path && logStatus === null) return void answer(entries.fn, request, response)
    response.writeHead(logStatus ?? 404).end("no")
  })
  await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const trusted = { rootCertificate: Buffer.from(ca.rootCertificate as Buffer), keys }
  return {
    url,
    identity,
    issuer,
    environment: {
      ACTIONS_ID_TOKEN_REQUEST_URL: `${url}/token?v=1`,
      ACTIONS_ID_TOKEN_REQUEST_TOKEN: REQUEST_TOKEN,
    },
    trustedRoot: renderTrustedRoot(trusted),
    failLog: (status) => {
      logStatus = status
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((settle) => server.close(settle))
    },
  }
}

const proposed = z.looseObject({
  spec: z.object({
    proposedContent: z.object({ envelope: z.string(), verifiers: z.array(z.string()).length(1) }),
  }),
})
const envelope = z.looseObject({
  payload: z.string(),
  signatures: z.array(z.looseObject({ sig: z.string() })),
})

/** As version 0.0.1 of the kind `dsse` stands in the log. */
function keptOf(entry: object): object {
  const { proposedContent } = proposed.parse(entry).spec
  const { payload, signatures } = envelope.parse(JSON.parse(proposedContent.envelope))
  const sha256 = (bytes: Buffer | string) => {
    return { algorithm: "sha256", value: createHash("sha256").update(bytes).digest("hex") }
  }
  return {
    apiVersion: "0.0.1",
    kind: "dsse",
    spec: {
      envelopeHash: sha256(proposedContent.envelope),
      payloadHash: sha256(Buffer.from(payload, "base64")),
      signatures: signatures.map(({ sig }) => ({ signature: sig, verifier: proposedContent.verifiers[0] })),
    },
  }
}

function keyPair() {
  return generateKeyPairSync("ec", { namedCurve: "P-256" })
}

async function answer(handle: HandlerFn, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { statusCode, response: body, contentType } = await handle(await text(request))
  const bytes = typeof body === "string" ? body : Buffer.from(body.buffer)
  response.writeHead(statusCode, { "content-type": contentType ?? "text/plain" }).end(bytes)
}

/** A token as OIDC has it, whose signature the authority's double does not look at. */
function sendToken(request: IncomingMessage, response: ServerResponse, claims: object): void {
  const audience = new URL(request.url ?? "/", "http://localhost").searchParams.get("audience")
  if (request.headers.authorization !== `Bearer ${REQUEST_TOKEN}` || audience !== "sigstore") {
    response.writeHead(401).end()
    return
  }
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  const value = `${part({ alg: "none" })}.${part({ ...claims, aud: audience })}.${"x".repeat(20)}`
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ value }))
}

type Pair = ReturnType<typeof keyPair>

function renderTrustedRoot({
  rootCertificate,
  keys,
}: {
  readonly rootCertificate: Buffer
  readonly keys: Readonly<Record<"ctLog" | "log", Pair>>
}): string {
  const start = new Date(Date.now() - 60_000)
  const logOf = ({ publicKey }: Pair, baseUrl: string) => {
    const rawBytes = createPublicKey(publicKey.export({ type: "spki", format: "pem" })).export({
      type: "spki",
      format: "der",
    })
    return {
      baseUrl,
      hashAlgorithm: HashAlgorithm.SHA2_256,
      publicKey: {
        rawBytes,
        keyDetails: PublicKeyDetails.PKIX_ECDSA_P256_SHA_256,
        validFor: { start, end: undefined },
      },
      logId: { keyId: createHash("sha256").update(rawBytes).digest() },
      checkpointKeyId: undefined,
      operator: "test",
    }
  }
  const root: TrustedRoot = {
    mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
    tlogs: [logOf(keys.log, "https://log.example")],
    ctlogs: [logOf(keys.ctLog, "https://ct.example")],
    certificateAuthorities: [
      {
        subject: { commonName: "sigstore", organization: "sigstore.mock" },
        uri: "https://ca.example",
        certChain: { certificates: [{ rawBytes: rootCertificate }] },
        validFor: { start, end: undefined },
        operator: "test",
      },
    ],
    timestampAuthorities: [],
  }
  return JSON.stringify(TrustedRoot.toJSON(root))
}
