/** Certificates for TLS servers on loopback: of an authority that this process trusts, or of nobody's. */

import { generateKeyPairSync } from "node:crypto"
import { getCACertificates, setDefaultCACertificates } from "node:tls"
import { renderCertificate } from "../../guest-agent/capture/certificate.ts"

export interface WantedCertificate {
  /** Host name or IPv4 address that it is good for. */
  readonly name: string
  readonly expired?: boolean
  /** Signed by its own key instead of the authority's. */
  readonly selfSigned?: boolean
}

const DAY_MS = 86_400_000

/** Makes an authority and has this process trust it, beside those that it trusts anyway. */
export function trustNewAuthority(): (wanted: WantedCertificate) => {
  readonly cert: string
  readonly key: string
} {
  const authority = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const issuer = "authority of the tests"
  const validity = { notBeforeMs: Date.now() - 2 * DAY_MS, notAfterMs: Date.now() + DAY_MS }
  const root = renderCertificate({
    ...{ subject: issuer, issuer, key: authority.privateKey, issuerKey: authority.privateKey, names: null },
    ...validity,
  })
  setDefaultCACertificates([...getCACertificates("default"), root])
  return ({ name, expired = false, selfSigned = false }) => {
    const own = generateKeyPairSync("ec", { namedCurve: "P-256" })
    const cert = renderCertificate({
      ...{ subject: name, key: own.privateKey, names: [name], ...validity },
      issuer: selfSigned ? name : issuer,
      issuerKey: selfSigned ? own.privateKey : authority.privateKey,
      ...(expired ? { notAfterMs: Date.now() - DAY_MS } : {}),
    })
    return { cert, key: own.privateKey.export({ type: "pkcs8", format: "pem" }).toString() }
  }
}
