import { once } from "node:events"
import { readdirSync, readFileSync } from "node:fs"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { deflateRawSync, gzipSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { REAL_KEY } from "../fakes/host-lab.ts"
import { eventually, messagesCall, openLab } from "./lab.ts"

/** Answers every connection with the bytes given. */
async function openEcho(head: string, body: Buffer): Promise<AsyncDisposable & { readonly url: string }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    socket.once("data", () => {
      socket.write(`HTTP/1.1 ${head}\r\n\r\n`)
      socket.end(body)
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // a TCP server's address is never a string
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

function everyFile(dir: string): string {
  return readdirSync(dir, { recursive: true, encoding: "utf8", withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "latin1"))
    .join("\n")
}

const OK = Buffer.from("ok")
const CHUNKED = "200 OK\r\ntransfer-encoding: chunked"

describe("the real credential in an answer", () => {
  it.each([
    ["a header", `200 OK\r\nx-echo: ${REAL_KEY}\r\ncontent-length: 2`, OK],
    ["a header's name", `200 OK\r\n${REAL_KEY}: 1\r\ncontent-length: 2`, OK],
    [
      "a redirect",
      `302 Found\r\nlocation: https://a.example/${REAL_KEY}\r\ncontent-length: 0`,
      Buffer.alloc(0),
    ],
    ["the head of an answer without body", `204 None\r\nx-echo: ${REAL_KEY}`, Buffer.alloc(0)],
    ["the status line", `200 ${REAL_KEY}\r\ncontent-length: 2`, OK],
    ["an interim answer", `103 Early\r\nlink: ${REAL_KEY}\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2`, OK],
    ["a trailer", CHUNKED, Buffer.from(`2\r\nok\r\n0\r\nx-echo: ${REAL_KEY}\r\n\r\n`)],
    ["a head that is broken", `200 OK\r\n${REAL_KEY} x`, OK],
  ])("reaches neither guest nor archive nor log by %s", async (_what, head, body) => {
    await using upstream = await openEcho(head, body)
    await using lab = await openLab({ files: { upstream: upstream.url } })
    const seen = await lab.guest.send(messagesCall()).then(
      (answer) => answer.body.toString("latin1") + JSON.stringify(answer.headers),
      (failure: Error) => failure.message,
    )
    await eventually(async () => (await lab.rows())[0] ?? null)
    expect(seen).not.toContain(REAL_KEY)
    expect(lab.lines.join("\n")).not.toContain(REAL_KEY)
    expect(everyFile(lab.files.home.archive)).not.toContain(REAL_KEY)
  })

  it.each([
    ["gzip in gzip", "gzip, gzip", gzipSync(gzipSync(REAL_KEY))],
    ["an encoding that stereo cannot undo", "compress", OK],
    ["deflate without its frame", "deflate", deflateRawSync(REAL_KEY)],
    ["what is not the encoding that it says", "gzip", Buffer.from("not gzip at all")],
  ])("cannot hide in %s: what cannot be watched does not pass", async (_what, encoding, body) => {
    await using upstream = await openEcho(`200 OK\r\ncontent-encoding: ${encoding}`, body)
    await using lab = await openLab({ files: { upstream: upstream.url } })
    const body_ = await lab.guest.send(messagesCall()).then(
      (answer) => answer.body,
      () => Buffer.alloc(0),
    )
    const row = await eventually(async () => (await lab.rows())[0] ?? null)
    expect(row.upstream_error).toContain("real credential")
    expect(body_).toHaveLength(0)
  })
})
