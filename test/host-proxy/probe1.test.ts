import { once } from "node:events"
import { readFileSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { deflateRawSync, gzipSync } from "node:zlib"
import { expect, it } from "vitest"
import { REAL_KEY } from "../fakes/host-lab.ts"
import { eventually, messagesCall, openLab } from "./lab.ts"

async function up(head: string, body: Buffer | string) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    socket.once("data", () => { socket.write(head); socket.end(body) })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, async [Symbol.asyncDispose]() { for (const s of sockets) s.destroy(); server.close() } }
}
it.each([
  ["header", `HTTP/1.1 200 OK\r\nx-echo: ${REAL_KEY}\r\ncontent-length: 2\r\n\r\n`, "ok"],
  ["header name", `HTTP/1.1 200 OK\r\n${REAL_KEY}: 1\r\ncontent-length: 2\r\n\r\n`, "ok"],
  ["status text", `HTTP/1.1 200 ${REAL_KEY}\r\ncontent-length: 2\r\n\r\n`, "ok"],
  ["trailer", `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n`, `2\r\nok\r\n0\r\nx-t: ${REAL_KEY}\r\n\r\n`],
  ["info", `HTTP/1.1 103 Early\r\nlink: ${REAL_KEY}\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n`, "ok"],
  ["double gzip", `HTTP/1.1 200 OK\r\ncontent-encoding: gzip, gzip\r\n\r\n`, gzipSync(gzipSync(REAL_KEY))],
  ["two headers", `HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\ncontent-encoding: gzip\r\n\r\n`, gzipSync(REAL_KEY)],
  ["raw deflate", `HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\n\r\n`, deflateRawSync(REAL_KEY.repeat(1))],
  ["unlabelled gzip", `HTTP/1.1 200 OK\r\n\r\n`, gzipSync(REAL_KEY)],
  ["bad http", `HTTP/1.1 200 OK\r\n${REAL_KEY} x\r\n\r\n`, ""],
  ["redirect", `HTTP/1.1 302 Found\r\nlocation: https://evil/${REAL_KEY}\r\ncontent-length: 0\r\n\r\n`, ""],
  ["204", `HTTP/1.1 204 No\r\nx-e: ${REAL_KEY}\r\n\r\n`, ""],
  ["ctype 2x", `HTTP/1.1 200 No\r\ncontent-type: ${REAL_KEY}\r\ncontent-type: a\r\ncontent-length: 2\r\n\r\n`, "ok"],
])("%s", async (name, head, body) => {
  await using u = await up(head, body)
  await using lab = await openLab({ files: { upstream: u.url } })
  const answer = await lab.guest.send(messagesCall()).catch((e) => ({ status: String(e), complete: false, body: Buffer.alloc(0), headers: {} }))
  const row = await eventually(async () => (await lab.rows())[0] ?? null)
  const dir = lab.files.home.archive
  const all = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((n) => /\.(db|db-wal|json|response)$/.test(n)).map((n) => readFileSync(join(dir, n), "latin1")).join("")
  console.log(name, "| guest:", answer.status, answer.complete, (answer.body.toString("latin1") + JSON.stringify(answer.headers)).includes(REAL_KEY) ? "KEY IN GUEST" : "", "body bytes", answer.body.length, "| archive:", row.outcome, row.upstream_error, all.includes(REAL_KEY) ? "KEY IN ARCHIVE" : "", lab.lines.join().includes(REAL_KEY) ? "KEY IN LOG" : "")
  expect(1).toBe(1)
})
