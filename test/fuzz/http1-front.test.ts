import { createServer, type IncomingMessage } from "node:http"
import { Duplex } from "node:stream"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { StrictReader } from "../../guest-agent/capture/strict-reader.ts"
import { readHead } from "../../host-proxy/guest/read-head.ts"
import { FUZZ_TIMEOUT_MS, runProperty } from "./run-property.ts"

const wireish = fc
  .array(
    fc.constantFrom(
      ...[
        "GET / HTTP/1.1\r\n",
        "POST /x HTTP/1.1\r\n",
        "Host: a.example\r\n",
        "Content-Length: 5\r\n",
        "\r\n",
      ],
      ...[
        "Transfer-Encoding: chunked\r\n",
        "hello",
        "5\r\nhello\r\n",
        "0\r\n\r\n",
        "0\r\n",
        "\n",
        "\r",
        " ",
        "\t",
      ],
      ...[
        "X: y\r\n",
        ":",
        ";x=1",
        "\0",
        "\xe9",
        "Content-Length: 0\r\n",
        "Expect: 100-continue\r\n",
        "a",
        "1",
      ],
      ...[
        "Connection: close\r\n",
        "Upgrade: websocket\r\n",
        "Connection: upgrade\r\n",
        "CONNECT a:1 HTTP/1.1\r\n",
      ],
    ),
    { maxLength: 16 },
  )
  .map((parts) => Buffer.from(parts.join(""), "latin1"))
const cuts = fc.array(fc.nat(300), { maxLength: 5 })

function feed(bytes: Buffer, at: readonly number[]) {
  const places = [0, ...at.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  const reader = new StrictReader()
  const passed: Buffer[] = []
  for (const [index, end] of places.slice(1).entries()) {
    const { pass, problem, left } = reader.feed(bytes.subarray(places[index], end))
    passed.push(...pass)
    if (problem || left) return { passed: Buffer.concat(passed), problem, left: left !== null }
  }
  return { passed: Buffer.concat(passed), problem: null, left: false }
}

/** How Node's own parser takes the bytes: its requests, and whether it found something wrong. */
async function parseByNode(
  bytes: Buffer,
): Promise<{ readonly seen: readonly string[]; readonly wrong: string | null }> {
  const seen: string[] = []
  let wrong: string | null = null
  const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() })
  const server = createServer()
  const note = (incoming: IncomingMessage) => seen.push(`${incoming.method} ${incoming.url}`)
  server.on("request", (incoming, outgoing) => {
    note(incoming)
    incoming.resume()
    incoming.on("end", () => outgoing.end())
  })
  server.on("clientError", (failure) => {
    wrong = failure.message
  })
  server.emit("connection", socket)
  socket.push(bytes)
  for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  socket.destroy()
  return { seen, wrong }
}

describe("raw bytes at the HTTP/1 front", { timeout: FUZZ_TIMEOUT_MS }, () => {
  it("give the same however they are cut, and what passes is a beginning of what came", () =>
    runProperty(
      fc.property(wireish, cuts, (bytes, at) => {
        const whole = feed(bytes, [])
        const cut = feed(bytes, at)
        expect([cut.problem?.status, cut.left]).toEqual([whole.problem?.status, whole.left])
        expect(bytes.subarray(0, whole.passed.length).equals(whole.passed)).toBe(true)
        expect(bytes.subarray(0, cut.passed.length).equals(cut.passed)).toBe(true)
      }),
    ))

  it("that pass are good to Node's parser, too, unless it does not know the method", () =>
    runProperty(
      fc.asyncProperty(wireish, async (bytes) => {
        const { passed, left } = feed(bytes, [])
        if (left || passed.length === 0) return
        const { wrong, seen } = await parseByNode(passed)
        // the strict reader leaves it to Node which methods there are
        expect(wrong?.includes("Invalid method") ? null : wrong).toBeNull()
        const heads = passed.toString("latin1").match(/(?:GET|POST) \S+ HTTP\/1\.1\r\n/g) ?? []
        expect(seen.length).toBeLessThanOrEqual(heads.length)
      }),
    ))

  it("egress: a head that is read has each header once that may come once, in plain text", () => {
    const text = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom("1", "x", " x", "\xe9", "a\r\nb", "05", "+5"),
    )
    const name = fc.constantFrom(
      "content-length",
      "host",
      "x",
      "te",
      "connection",
      "authorization",
      "X",
      ":path",
      "",
    )
    return runProperty(
      fc.property(fc.array(fc.tuple(name, text), { maxLength: 6 }), (pairs) => {
        const pseudo = [":method", "GET", ":scheme", "https", ":authority", "a.example", ":path", "/"]
        const read = readHead([...pseudo, ...pairs.flat()])
        if ("refusal" in read) return
        const names = read.head.headers.map(([one]) => one)
        for (const once of ["content-length", "host", "authorization"])
          expect(names.filter((one) => one === once).length).toBeLessThan(2)
        for (const [, value] of read.head.headers) expect(value).toMatch(/^(?:[!-~](?:[\t -~]*[!-~])?)?$/)
        expect(names).not.toContain("connection")
      }),
    )
  })
})
