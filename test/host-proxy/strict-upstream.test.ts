import { once } from "node:events"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { createServer as createTlsServer } from "node:tls"
import { gzipSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { trustNewAuthority } from "../fakes/certificates.ts"
import { eventually, messagesCall, openLab } from "./lab.ts"

type Play = (socket: Socket) => void

async function ask(play: Play, call = messagesCall()) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    socket.once("data", () => play(socket))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // a TCP server's address is never a string
  const timeouts = { connectMs: 1000, firstByteMs: 700, idleMs: 700 }
  const host = { timeouts, limits: { exchangeMs: 3000 } }
  try {
    await using lab = await openLab({ files: { upstream: `http://127.0.0.1:${port}` }, host })
    const answer = await lab.guest.send(call)
    const row = await eventually(async () => (await lab.rows())[0] ?? null)
    return { answer, row }
  } finally {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
}

const send =
  (text: string): Play =>
  (socket) =>
    void socket.end(Buffer.from(text, "latin1"))
const OK = "HTTP/1.1 200 OK\r\n"
const CHUNKED = `${OK}transfer-encoding: chunked\r\n\r\n`
const flood =
  (begin: string, more: string): Play =>
  (socket) => {
    socket.write(begin)
    const block = Buffer.from(more.repeat(Math.ceil(65_536 / more.length)))
    const pour = (): void => {
      while (socket.writable && socket.write(block));
    }
    socket.on("drain", pour)
    pour()
  }

describe("an upstream's head that can be read in two ways", () => {
  it.each<[string, Play]>([
    [
      "a length beside transfer-encoding",
      send(`${OK}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`),
    ],
    ["two lengths that differ", send(`${OK}content-length: 2\r\ncontent-length: 3\r\n\r\nok!`)],
    ["two equal lengths", send(`${OK}content-length: 2\r\ncontent-length: 2\r\n\r\nok`)],
    ["a list of lengths", send(`${OK}content-length: 2, 2\r\n\r\nok`)],
    ["a length with a plus", send(`${OK}content-length: +2\r\n\r\nok`)],
    ["a negative length", send(`${OK}content-length: -2\r\n\r\nok`)],
    ["a length in letters", send(`${OK}content-length: two\r\n\r\nok`)],
    ["bare LF", send("HTTP/1.1 200 OK\ncontent-length: 2\n\nok")],
    ["a folded header", send(`${OK}x: a\r\n b\r\ncontent-length: 2\r\n\r\nok`)],
    ["NUL in a value", send(`${OK}x: a\0b\r\ncontent-length: 2\r\n\r\nok`)],
    ["bare CR in a value", send(`${OK}x: a\rb: c\r\ncontent-length: 2\r\n\r\nok`)],
    ["a space before the colon", send(`${OK}content-length : 2\r\n\r\nok`)],
    ["a header without a colon", send(`${OK}header\r\ncontent-length: 2\r\n\r\nok`)],
    ["HTTP/0.9", send("<html>hello</html>")],
    ["HTTP/2 without asking", send("\0\0\0\x04\0\0\0\0\0")],
    ["another protocol", send("ICY 200 OK\r\n\r\n")],
    ["a status of two digits", send("HTTP/1.1 20 OK\r\ncontent-length: 2\r\n\r\nok")],
    ["a status of 999", send("HTTP/1.1 999 What\r\ncontent-length: 2\r\n\r\nok")],
    [
      "a switch of protocols that nobody asked for",
      send("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello"),
    ],
    ["a transfer coding that nobody knows", send(`${OK}transfer-encoding: zebra\r\n\r\nok`)],
    ["a header without end", flood(`${OK}x: `, "a")],
    ["headers without end", flood(OK, "x-more: 1\r\n")],
    ["interim answers without end", flood("", "HTTP/1.1 102 Processing\r\n\r\n")],
  ])("is not passed on (%s): a structured 502, archived as the upstream's failure", async (_what, play) => {
    const { answer, row } = await ask(play)
    expect([502, 504]).toContain(answer.status)
    expect(String(answer.headers["stereo-verdict"])).toMatch(/^upstream\//)
    expect(answer.body.toString()).toContain("stereo_refused")
    expect(row).toMatchObject({ outcome: "upstream-failed" })
  })
})

describe("an upstream's body that is not what it says", () => {
  it.each<[string, Play]>([
    ["ends early", send(`${OK}content-length: 100\r\n\r\nshort`)],
    ["ends inside a chunk", send(`${CHUNKED}ff\r\nshort`)],
    ["has no last chunk", send(`${CHUNKED}5\r\nhello\r\n`)],
    ["has a chunk's size that is no number", send(`${CHUNKED}5\r\nhello\r\nzz\r\n`)],
    ["has a chunk that ends in LF", send(`${CHUNKED}5\r\nhello\n0\r\n\r\n`)],
    ["has a chunk longer than it says", send(`${CHUNKED}5\r\nhello!\r\n0\r\n\r\n`)],
    ["has trailers without end", flood(`${CHUNKED}5\r\nhello\r\n0\r\n`, "x-more: 1\r\n")],
    ["stops coming", (socket) => void socket.write(`${OK}content-length: 100\r\n\r\nshort`)],
    [
      "drips for ever",
      (socket) => {
        socket.write(CHUNKED)
        const timer = setInterval(() => socket.write("1\r\na\r\n"), 50)
        socket.once("close", () => clearInterval(timer))
      },
    ],
  ])("is never made to look whole (it %s)", async (_what, play) => {
    const { answer, row } = await ask(play)
    expect(answer).toMatchObject({ status: 200, complete: false })
    expect(row.outcome === "upstream-failed" || row.outcome === "interrupted").toBe(true)
  })

  it("is cut where it unpacks to far more than it is, since nobody can look through it", async () => {
    const bomb = gzipSync(Buffer.alloc(200 * 1024 * 1024), { level: 9 })
    const head = `${OK}content-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`
    const startedMs = performance.now()
    const { answer, row } = await ask((socket) => void socket.end(Buffer.concat([Buffer.from(head), bomb])))
    expect(answer.complete).toBe(false)
    expect(row.upstream_error).toContain("decodes to far more than it is")
    process.stdout.write(
      `a gzip bomb of 200 MiB was cut after ${Math.round(performance.now() - startedMs)} ms\n`,
    )
  })
})

describe("an upstream's certificate", () => {
  const certify = trustNewAuthority()
  const name = "127.0.0.1"
  it.each([
    ["is good", { name }, 200],
    ["is signed by itself", { name, selfSigned: true }, 502],
    ["has expired", { name, expired: true }, 502],
    ["is for another name", { name: "other.example.com" }, 502],
  ])("that %s decides whether anything of the request is sent", async (_what, wanted, status) => {
    const heard: Buffer[] = []
    const server = createTlsServer(certify(wanted), (socket) => {
      socket.on("error", () => socket.destroy())
      socket.on("data", (chunk) => heard.push(chunk))
      socket.once("data", () => socket.end(`${OK}content-length: 2\r\n\r\nok`))
    })
    server.on("tlsClientError", () => undefined) // the client that refuses the certificate is what is tested
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const { port } = server.address() as AddressInfo // a TCP server's address is never a string
    try {
      await using lab = await openLab({ files: { upstream: `https://127.0.0.1:${port}` } })
      // there is no flag by which a guest could ask for less
      const headers = { ...messagesCall().headers, "stereo-insecure": "1", "x-insecure": "1" }
      const answer = await lab.guest.send({ ...messagesCall(), headers })
      expect(answer.status).toBe(status)
      expect(heard.length > 0).toBe(status === 200)
      if (status === 200) return
      expect(answer.headers["stereo-verdict"]).toBe("upstream/unreachable")
      expect((await lab.rows())[0]).toMatchObject({ outcome: "upstream-failed" })
    } finally {
      server.close()
    }
  })
})
