/** X.509 certificates in DER, written by hand: a library for it takes 747 kB and longer to load than all the rest. */

import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto"
import { isIPv4 } from "node:net"

export interface CertificateRequest {
  readonly subject: string
  readonly issuer: string
  /** The key that the certificate is for; the issuer's own for a CA. */
  readonly key: KeyObject
  readonly issuerKey: KeyObject
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** The host names or IPv4 address it is good for; null for a CA. */
  readonly names: readonly string[] | null
}

/** P-256 keys and SHA-256 throughout. Returns PEM. */
export function renderCertificate(request: CertificateRequest): string {
  const algorithm = sequence(oid(1, 2, 840, 10045, 4, 3, 2))
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial()),
    algorithm,
    distinguishedName(request.issuer),
    sequence(utcTime(request.notBeforeMs), utcTime(request.notAfterMs)),
    distinguishedName(request.subject),
    publicKeyInfo(request.key),
    tagged(0xa3, sequence(...extensions(request))),
  )
  const der = sequence(body, algorithm, bitString(sign("sha256", body, request.issuerKey)))
  const lines = der.toString("base64").match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`
}

/** 16 random bytes whose first is neither 0 nor a sign. */
function serial(): Buffer {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40
  return bytes
}

function extensions({ names, key, issuerKey }: CertificateRequest): Buffer[] {
  const keyIds = [
    extension([2, 5, 29, 14], false, octets(keyId(key))),
    extension([2, 5, 29, 35], false, sequence(tagged(0x80, keyId(issuerKey)))),
  ]
  if (names === null) {
    return [
      // a CA whose certificates may not be CAs in turn
      extension([2, 5, 29, 19], true, sequence(tagged(0x01, Buffer.from([0xff])), integer(Buffer.from([0])))),
      // keyCertSign, cRLSign
      extension([2, 5, 29, 15], true, tagged(0x03, Buffer.from([1, 0b0000_0110]))),
      ...keyIds,
    ]
  }
  return [
    extension([2, 5, 29, 19], true, sequence()),
    // digitalSignature
    extension([2, 5, 29, 15], true, tagged(0x03, Buffer.from([7, 0b1000_0000]))),
    // serverAuth
    extension([2, 5, 29, 37], false, sequence(oid(1, 3, 6, 1, 5, 5, 7, 3, 1))),
    extension([2, 5, 29, 17], false, sequence(...names.map(alternativeName))),
    ...keyIds,
  ]
}

function alternativeName(name: string): Buffer {
  return isIPv4(name)
    ? tagged(0x87, Buffer.from(name.split(".").map(Number)))
    : tagged(0x82, Buffer.from(name, "latin1"))
}

function extension(id: ObjectId, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(...id), ...(critical ? [tagged(0x01, Buffer.from([0xff]))] : []), octets(value))
}

/** The first 20 bytes of a hash over the key, as RFC 7093 proposes. */
function keyId(key: KeyObject): Buffer {
  return createHash("sha256").update(publicKeyInfo(key)).digest().subarray(0, 20)
}

function publicKeyInfo(key: KeyObject): Buffer {
  return createPublicKey(key).export({ type: "spki", format: "der" })
}

function distinguishedName(commonName: string): Buffer {
  const pair = sequence(oid(2, 5, 4, 3), tagged(0x0c, Buffer.from(commonName)))
  return sequence(tagged(0x31, pair))
}

/** Two-digit years: 1950 to 2049. */
function utcTime(timeMs: number): Buffer {
  const digits = new Date(timeMs).toISOString().replace(/[-:T]/g, "").slice(2, 14)
  return tagged(0x17, Buffer.from(`${digits}Z`))
}

type ObjectId = readonly [first: number, second: number, ...rest: number[]]

function oid(...[first, second, ...rest]: ObjectId): Buffer {
  const bytes = [first * 40 + second]
  for (const part of rest) {
    const groups = [part & 0x7f]
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return tagged(0x06, Buffer.from(bytes))
}

/** A positive integer: a leading bit that would mean a sign gets a zero byte before it. */
function integer(bytes: Buffer): Buffer {
  const first = bytes[0] ?? 0
  return tagged(0x02, first & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes)
}

function bitString(bytes: Buffer): Buffer {
  return tagged(0x03, Buffer.concat([Buffer.from([0]), bytes]))
}

function octets(bytes: Buffer): Buffer {
  return tagged(0x04, bytes)
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts))
}

function tagged(tag: number, content: Buffer): Buffer {
  const size = content.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}
