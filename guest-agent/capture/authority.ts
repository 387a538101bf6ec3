/** The guest's own certificate authority: made at start, its key only in memory, trusted only in this guest. */

import { generateKeyPairSync, type KeyObject } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname } from "node:path"
import { createSecureContext, type SecureContext } from "node:tls"
import { GUEST_FILES } from "../../contract/wire.ts"
import { renderCertificate } from "./certificate.ts"

export interface Authority {
  readonly certificate: string
  /** Key and certificate for a server of that name. */
  readonly contextFor: (name: string) => SecureContext
}

const SUBJECT = "stereo capture proxy of this machine"
const DAY_MS = 86_400_000
/** The clock may be set after the start, so the CA is good at any time that a certificate can name. */
const CA_VALIDITY = { notBeforeMs: Date.UTC(2020), notAfterMs: Date.UTC(2049) }
/** Names whose contexts are kept. */
const MAX_CONTEXTS = 256

/** RFC 1035's length; anything else would not be a name that a client could check. */
const NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9._-]*[a-z0-9_])?$/

export function createAuthority(nowMs: () => number): Authority {
  const issuerKey = newKey()
  // one key for all names: it is as secret as the CA's, which lies beside it
  const key = newKey()
  const certificate = renderCertificate({
    subject: SUBJECT,
    issuer: SUBJECT,
    key: issuerKey,
    issuerKey,
    ...CA_VALIDITY,
    names: null,
  })
  const contexts = new Map<string, SecureContext>()
  const create = (name: string): SecureContext => {
    const [oldest] = contexts.keys()
    if (contexts.size >= MAX_CONTEXTS && oldest !== undefined) contexts.delete(oldest)
    const validity = { notBeforeMs: nowMs() - 30 * DAY_MS, notAfterMs: nowMs() + 360 * DAY_MS }
    const names = NAME.test(name) ? [name] : ["invalid"]
    const cert = renderCertificate({ subject: "stereo", issuer: SUBJECT, key, issuerKey, ...validity, names })
    const context = createSecureContext({
      cert: `${cert}${certificate}`,
      key: key.export({ type: "pkcs8", format: "pem" }),
      minVersion: "TLSv1.2",
    })
    contexts.set(name, context)
    return context
  }
  return { certificate, contextFor: (name) => contexts.get(name) ?? create(name) }
}

/**
 * The certificate alone is the bundle too: every TLS connection of the guest ends in the proxy, so public CAs
 * would only cost each client the time to read them.
 */
export async function writeTrust(authority: Authority): Promise<void> {
  await mkdir(dirname(GUEST_FILES.caCertificate), { recursive: true })
  await Promise.all(
    [GUEST_FILES.caCertificate, GUEST_FILES.caBundle].map((path) =>
      writeFile(path, authority.certificate, { mode: 0o644 }),
    ),
  )
}

function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey
}
