import { once } from "node:events"
import { connect as connectHttp2 } from "node:http2"
import { createConnection, createServer, type Socket } from "node:net"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { openGuestEgress } from "../fakes/guest.ts"
import { callHost } from "../fakes/host-client.ts"
import { type Lab, messagesCall, openLab } from "./lab.ts"

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
const SETTINGS = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])

/** Sends bytes on egress.sock and gathers what comes back until the host closes or a moment has passed. */
async function throwBytes(path: string, bytes: Buffer): Promise<Buffer> {
  const socket = createConnection(path)
  const parts: Buffer[] = []
  socket.on("data", (chunk: Buffer) => parts.push(chunk))
  socket.on("error", () => socket.destroy())
  await once(socket, "connect")
  socket.write(bytes)
  await Promise.race([once(socket, "close"), new Promise((resolve) => setTimeout(resolve, 60))])
  socket.destroy()
  return Buffer.concat(parts)
}

async function expectStillServing(lab: Lab): Promise<void> {
  using guest = await openGuestEgress(lab.files.machine.egressSocket)
  const answer = await guest.send(messagesCall())
  expect(answer).toMatchObject({ status: 200, complete: true })
  expect((await callHost(lab.files.home.hostSocket, "GET", "/health")).status).toBe(200)
}

describe("a hostile guest on egress.sock", () => {
  it("that speaks no HTTP/2 gets a GOAWAY and a closed socket", async () => {
    await using lab = await openLab()
    const answer = await throwBytes(
      lab.files.machine.egressSocket,
      Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    )
    expect(answer[3]).toBe(7)
    expect(answer.length).toBe(17)
    await expectStillServing(lab)
  })

  it("is told nothing before its preface is whole", async () => {
    await using lab = await openLab()
    expect(await throwBytes(lab.files.machine.egressSocket, PREFACE.subarray(0, 23))).toHaveLength(0)
  })

  it("cannot end the service with any bytes after the preface", async () => {
    await using lab = await openLab()
    const frame = fc
      .record({
        length: fc.nat(64),
        type: fc.nat(12),
        flags: fc.nat(255),
        stream: fc.nat(9),
        body: fc.uint8Array({ maxLength: 64 }),
      })
      .map(({ length, type, flags, stream, body }) =>
        Buffer.concat([Buffer.from([0, 0, length, type, flags, 0, 0, 0, stream]), Buffer.from(body)]),
      )
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 8 }), async (frames) => {
        await throwBytes(lab.files.machine.egressSocket, Buffer.concat([PREFACE, SETTINGS, ...frames]))
      }),
      { numRuns: 30, seed: 42 },
    )
    await expectStillServing(lab)
  })

  it("that opens and resets streams as fast as it can loses its session, not the service", async () => {
    await using lab = await openLab()
    const session = connectHttp2("http://gateway", {
      createConnection: () => createConnection(lab.files.machine.egressSocket),
    })
    session.on("error", () => session.destroy())
    const closed = new Promise((resolve) => session.once("close", resolve))
    for (let round = 0; round < 40 && !session.destroyed; round += 1) {
      for (let index = 0; index < 50 && !session.destroyed; index += 1) {
        const stream = session.request({
          ":method": "GET",
          ":path": "/",
          ":authority": "example.com",
          ":scheme": "https",
        })
        stream.on("error", () => stream.destroy())
        stream.close(8)
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await closed
    await expectStillServing(lab)
  })

  it("that restarts in the middle of a session gets its socket closed, so that QEMU connects anew", async () => {
    await using lab = await openLab()
    const socket = createConnection(lab.files.machine.egressSocket)
    socket.on("error", () => socket.destroy())
    await once(socket, "connect")
    const closed = once(socket, "close")
    socket.resume()
    socket.write(Buffer.concat([PREFACE, SETTINGS]))
    await new Promise((resolve) => setTimeout(resolve, 30))
    socket.write(Buffer.concat([PREFACE, SETTINGS]))
    await closed
    await expectStillServing(lab)
  })

  it("that asks for extended CONNECT, odd methods or two Host headers is refused", async () => {
    await using lab = await openLab()
    const base = { authority: "api.anthropic.com", path: "/v1/messages" }
    const odd = await lab.guest.send({ ...base, method: "BREW", body: "" })
    expect(odd.headers["stereo-verdict"]).toBe("egress/no-rule")
    const two = await lab.guest.send({ ...base, headers: { host: "evil.example.com" }, body: "" })
    expect(two.headers["stereo-verdict"]).toBe("egress/host-mismatch")
    const sni = await lab.guest.send({ ...base, headers: { "stereo-sni": "evil.example.com" }, body: "" })
    expect(sni.headers["stereo-verdict"]).toBe("egress/sni-mismatch")
    expect(lab.provider.requests).toHaveLength(0)
    expect((await lab.rows()).map((row) => row.outcome)).toEqual(["refused", "refused", "refused"])
  })
})

describe("a hostile guest on the other two wires", () => {
  it.each(["controlSocket", "uplinkSocket"] as const)(
    "that sends garbage on %s ends nothing",
    async (name) => {
      await using lab = await openLab()
      const sockets = new Set<Socket>()
      const server = createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => socket.destroy())
        socket.write(Buffer.from("\0\0\0garbage that is no frame of anything at all, again and again"))
      })
      if (name === "controlSocket") await lab.control[Symbol.asyncDispose]()
      server.listen(lab.files.machine[name])
      for (let seen = 0; seen < 2; seen += 1) await once(server, "connection")
      await expectStillServing(lab)
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  )
})
