/** What the DNS sink answers: a canary's address for any name, and worse ones for names that ask for them. Pure. */

import type { Question } from "../evidence.ts"

const A = 1
const CNAME = 5
const AAAA = 28
const PUBLIC = [93, 184, 216, 34]
const LOOPBACK = [127, 0, 0, 1]
const HEADER_BYTES = 12

interface Answer {
  readonly type: number
  readonly data: readonly number[]
}

/** What the first label's last part stands for, as in `x-loopback.rebind.example`. */
const REBINDING: Readonly<Record<string, readonly Answer[]>> = {
  loopback: [{ type: A, data: LOOPBACK }],
  private: [{ type: A, data: [192, 168, 0, 1] }],
  linklocal: [{ type: A, data: [169, 254, 169, 254] }],
  mixed: [
    { type: A, data: PUBLIC },
    { type: A, data: LOOPBACK },
  ],
  mapped: [{ type: AAAA, data: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...LOOPBACK] }],
  nat64: [{ type: AAAA, data: [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 169, 254, 169, 254] }],
  sixtofour: [{ type: AAAA, data: [0x20, 0x02, ...LOOPBACK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] }],
  cname: [
    { type: CNAME, data: encodeName("db.corp.internal") },
    { type: A, data: [10, 0, 0, 1] },
  ],
}

/** Null: not a question that can be read. */
export function renderSinkAnswer(
  message: Buffer,
): { readonly question: Question; readonly bytes: Buffer } | null {
  const read = readQuestion(message)
  if (read === null) return null
  const { question, end } = read
  const wanted = answersFor(question)
  const header = Buffer.alloc(HEADER_BYTES)
  message.copy(header, 0, 0, 2)
  header.writeUInt16BE(0x8580, 2) // an answer, authoritative, recursion offered
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(wanted.length, 6)
  return {
    question,
    bytes: Buffer.concat([header, message.subarray(HEADER_BYTES, end), ...wanted.map(renderAnswer)]),
  }
}

function answersFor({ name, type }: Question): readonly Answer[] {
  const kind = /-([a-z0-9]+)$/.exec(name.split(".", 1)[0] ?? "")?.[1] ?? ""
  const all = REBINDING[kind] ?? [{ type: A, data: PUBLIC }]
  return all.some((answer) => answer.type === type)
    ? all.filter((one) => one.type === type || one.type === CNAME)
    : []
}

function renderAnswer({ type, data }: Answer, index: number, all: readonly Answer[]): Buffer {
  // the address after a CNAME is the other name's
  const chained = index > 0 && all[0]?.type === CNAME
  const owner = chained ? Buffer.from(all[0]?.data ?? []) : Buffer.from([0xc0, HEADER_BYTES])
  const fixed = Buffer.from([0, type, 0, 1, 0, 0, 0, 0, 0, data.length])
  return Buffer.concat([owner, fixed, Buffer.from(data)])
}

function readQuestion(message: Buffer): { readonly question: Question; readonly end: number } | null {
  const labels: string[] = []
  let at = HEADER_BYTES
  for (;;) {
    const length = message[at]
    if (length === undefined || length > 63 || labels.length > 127) return null
    at += 1
    if (length === 0) break
    labels.push(message.toString("latin1", at, at + length))
    at += length
  }
  if (at + 4 > message.length) return null
  return { question: { name: labels.join("."), type: message.readUInt16BE(at) }, end: at + 4 }
}

function encodeName(name: string): readonly number[] {
  return [...name.split(".").flatMap((label) => [label.length, ...Buffer.from(label)]), 0]
}
