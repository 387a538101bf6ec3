import { once } from "node:events"
import { readdirSync } from "node:fs"
import { type AddressInfo, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { eventually, messagesCall, openLab } from "./lab.ts"

interface RawUpstream extends AsyncDisposable {
  readonly url: string
}

/** Answers every connection with the bytes given, or as `play` does it. */
async function openRawUpstream(play: (socket: Socket) => void): Promise<RawUpstream> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    socket.once("data", () => play(socket))
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

async function ask(play: (socket: Socket) => void) {
  await using upstream = await openRawUpstream(play)
  const timeouts = { connectMs: 1000, firstByteMs: 700, idleMs: 700 }
  await using lab = await openLab({ files: { upstream: upstream.url }, host: { timeouts } })
  const answer = await lab.guest.send(messagesCall())
  const row = await eventually(async () => (await lab.rows())[0] ?? null)
  return { answer, row }
}

const send = (text: string) => (socket: Socket) => void socket.end(Buffer.from(text, "latin1"))

describe("a hostile or broken upstream", () => {
  it.each([
    ["speaks no HTTP", send("SSH-2.0-OpenSSH_9.2\r\n")],
    ["closes without a word", (socket: Socket) => void socket.end()],
    ["sends a head without end", send(`HTTP/1.1 200 OK\r\nx: ${"a".repeat(200_000)}\r\n\r\n`)],
    ["sends a header name with a space", send("HTTP/1.1 200 OK\r\nbad header: x\r\n\r\n")],
    ["says two lengths", send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab")],
    ["sends nothing", () => undefined],
  ])("that %s gives a structured 502 or 504, archived as the upstream's failure", async (_what, play) => {
    const { answer, row } = await ask(play)
    expect([502, 504]).toContain(answer.status)
    expect(String(answer.headers["stereo-verdict"])).toMatch(/^upstream\//)
    expect(row).toMatchObject({ outcome: "upstream-failed" })
  })

  it.each([
    ["announces more than it sends", send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort")],
    ["breaks a chunk", send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")],
    [
      "ends in the middle of a chunk",
      send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\nhello"),
    ],
  ])("that %s ends in a reset, never in a good end", async (_what, play) => {
    const { answer, row } = await ask(play)
    expect(answer.complete).toBe(false)
    expect(row).toMatchObject({ outcome: "upstream-failed", status: 200 })
  })

  it("that sends 1xx for ever is given up", async () => {
    const { answer } = await ask((socket) => {
      const timer = setInterval(() => socket.write("HTTP/1.1 102 Processing\r\n\r\n"), 20)
      socket.once("close", () => clearInterval(timer))
    })
    expect([502, 504]).toContain(answer.status)
  }, 20_000)

  it("cannot speak for stereo, nor about the connection to the guest", async () => {
    const { answer } = await ask(
      send(
        "HTTP/1.1 200 OK\r\nstereo-verdict: egress/forged\r\nconnection: x-hop\r\nx-hop: 1\r\nkeep-alive: timeout=5\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 2\r\n\r\nok",
      ),
    )
    expect(answer).toMatchObject({ status: 200, complete: true })
    expect(answer.headers["stereo-verdict"]).toBeUndefined()
    expect(answer.headers["keep-alive"]).toBeUndefined()
    expect(answer.headers["x-hop"]).toBeUndefined()
    expect(answer.headers["set-cookie"]).toEqual(["a=1", "b=2"])
  })

  it("that repeats a header exactly is passed on with it once", async () => {
    const { answer } = await ask(
      send(
        "HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-type: a/b\r\nx-name: caf\xe9\r\ncontent-length: 2\r\n\r\nok",
      ),
    )
    expect(answer).toMatchObject({ status: 200, complete: true })
    expect(answer.headers["content-type"]).toBe("a/b")
  })

  it("that contradicts itself in its head gives a structured 502", async () => {
    const { answer, row } = await ask(
      send("HTTP/1.1 200 OK\r\ncontent-type: a/b\r\ncontent-type: c/d\r\ncontent-length: 2\r\n\r\nok"),
    )
    expect(answer.status).toBe(502)
    expect(answer.headers["stereo-verdict"]).toBe("upstream/bad-head")
    expect(row).toMatchObject({ outcome: "upstream-failed", status: 502 })
  })

  it("that answers in the middle of an upload is heard, and the upload ends", async () => {
    await using upstream = await openRawUpstream((socket) => {
      socket.resume()
      socket.end("HTTP/1.1 413 Content Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")
    })
    await using lab = await openLab({ files: { upstream: upstream.url } })
    const answer = await lab.guest.send({ ...messagesCall(), body: Buffer.alloc(5 * 1024 * 1024, 97) })
    expect([413, 502]).toContain(answer.status)
    const row = await eventually(async () => (await lab.rows())[0] ?? null)
    expect(row.provider).toBe("anthropic")
    expect(row.request_bytes).toBeLessThan(5 * 1024 * 1024)
    expect(readdirSync(join(lab.files.home.archive, "spool"))).toEqual([])
  })
})
