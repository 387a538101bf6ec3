/** The little of DNS that the guest's resolver needs: one question in, at most one address out. */

export const DNS_TYPE = { a: 1, ptr: 12, aaaa: 28, svcb: 64, https: 65 } as const
export const DNS_CODE = { ok: 0, badFormat: 1, noName: 3, notImplemented: 4 } as const

export type DnsQuery =
  | {
      readonly kind: "question"
      readonly id: number
      /** Lower-case, without a trailing dot; every label is letters, digits, `-` and `_`. */
      readonly name: string
      readonly type: number
      /** The question as it came, to be repeated in the answer. */
      readonly question: Buffer
      readonly flags: number
    }
  | { readonly kind: "refuse"; readonly id: number; readonly code: number; readonly flags: number }
  /** Not a query at all: answering could only help somebody who reflects. */
  | { readonly kind: "ignore" }

const HEADER_BYTES = 12
const CLASS_IN = 1
const FLAG = {
  response: 0x8000,
  authoritative: 0x0400,
  recursionWanted: 0x0100,
  recursionDone: 0x0080,
} as const

export function parseDnsQuery(message: Buffer): DnsQuery {
  if (message.length < HEADER_BYTES) return { kind: "ignore" }
  const id = message.readUInt16BE(0)
  const flags = message.readUInt16BE(2)
  if (flags & FLAG.response) return { kind: "ignore" }
  const refuse = (code: number): DnsQuery => ({ kind: "refuse", id, code, flags })
  if (((flags >> 11) & 15) !== 0) return refuse(DNS_CODE.notImplemented)
  const [questions, answers, authorities] = [4, 6, 8].map((offset) => message.readUInt16BE(offset))
  if (questions !== 1 || answers !== 0 || authorities !== 0) return refuse(DNS_CODE.badFormat)
  const read = readName(message)
  if (!read || read.end + 4 > message.length) return refuse(DNS_CODE.badFormat)
  if (message.readUInt16BE(read.end + 2) !== CLASS_IN) return refuse(DNS_CODE.notImplemented)
  return {
    kind: "question",
    id,
    name: read.name,
    type: message.readUInt16BE(read.end),
    question: Buffer.from(message.subarray(HEADER_BYTES, read.end + 4)),
    flags,
  }
}

/** A query holds its name in full: a compression pointer, or any byte outside of host names, is refused. */
function readName(message: Buffer): { readonly name: string; readonly end: number } | null {
  const labels: string[] = []
  let offset = HEADER_BYTES
  for (;;) {
    const size = message[offset]
    if (size === undefined || size > 63 || offset - HEADER_BYTES > 254) return null
    offset += 1
    if (size === 0) break
    const label = message.toString("latin1", offset, offset + size)
    if (label.length !== size || !/^[A-Za-z0-9_-]+$/.test(label)) return null
    labels.push(label.toLowerCase())
    offset += size
  }
  return { name: labels.join("."), end: offset }
}

export interface DnsAnswer {
  readonly code: number
  /** Four bytes, or null for an answer without records. */
  readonly address: Buffer | null
  readonly ttlSeconds: number
}

export function renderDnsAnswer(query: Exclude<DnsQuery, { kind: "ignore" }>, answer: DnsAnswer): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt16BE(query.id, 0)
  const asked = query.flags & (FLAG.recursionWanted | 0x7800)
  header.writeUInt16BE(FLAG.response | FLAG.authoritative | FLAG.recursionDone | asked | answer.code, 2)
  if (query.kind === "refuse") return header
  header.writeUInt16BE(1, 4)
  if (!answer.address) return Buffer.concat([header, query.question])
  header.writeUInt16BE(1, 6)
  // a pointer to the question's name, type A, class IN, time to live, four bytes
  const record = Buffer.from([
    0xc0,
    HEADER_BYTES,
    0,
    DNS_TYPE.a,
    0,
    CLASS_IN,
    0,
    0,
    0,
    0,
    0,
    4,
    ...answer.address,
  ])
  record.writeUInt32BE(answer.ttlSeconds, 6)
  return Buffer.concat([header, query.question, record])
}
