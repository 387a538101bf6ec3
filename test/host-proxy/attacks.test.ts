import { once } from "node:events"
import { connect, performServerHandshake, type ServerHttp2Stream } from "node:http2"
import { createConnection, createServer, type Socket } from "node:net"
import { describe, expect, it } from "vitest"
import { callHost } from "../fakes/host-client.ts"
import { type Lab, messagesCall, openLab } from "./lab.ts"

/** A guest agent that is hostile only once the host has taken it for a good one. */
async function openHostileControl(
  lab: Lab,
  onOther: (stream: ServerHttp2Stream) => void,
): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on("error", () => socket.destroy())
    const session = performServerHandshake(socket)
    session.on("error", () => session.destroy())
    session.on("stream", (stream, headers) => {
      stream.on("error", () => stream.destroy())
      if (headers[":path"] !== "/health") return onOther(stream)
      stream.respond({ ":status": 200 })
      stream.end(
        JSON.stringify({ bootId: "b", uptimeMs: 1, firewall: true, capture: true, identified: true }),
      )
    })
  })
  await lab.control[Symbol.asyncDispose]()
  server.listen(lab.files.machine.controlSocket)
  await once(server, "listening")
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, "close")
    },
  }
}

describe("a hostile guest behind the control wire", () => {
  it("that answers when whoever asked has gone ends nothing", async () => {
    await using lab = await openLab()
    const asked = Promise.withResolvers<ServerHttp2Stream>()
    await using _control = await openHostileControl(lab, asked.resolve)
    await callHost(lab.files.home.hostSocket, "GET", "/machines/lab/ready?timeout_ms=5000")
    const client = connect("http://host", {
      createConnection: () => createConnection(lab.files.home.hostSocket),
    })
    client.on("error", () => client.destroy())
    const request = client.request({ ":method": "GET", ":path": "/machines/lab/control/slow" })
    request.on("error", () => request.destroy())
    const stream = await asked.promise
    client.destroy()
    await once(client, "close")
    // a ping's answer comes after whatever the end of the asker has caused
    await new Promise((resolve) => stream.session?.ping(resolve))
    // thrown inside the service this would end the process, and here the test run
    if (!stream.destroyed) stream.respond({ ":status": 200 }, { endStream: true })
    await new Promise((resolve) => (stream.session ? stream.session.ping(resolve) : setImmediate(resolve)))
    expect((await callHost(lab.files.home.hostSocket, "GET", "/health")).status).toBe(200)
  })
})

describe("a guest that floods", () => {
  it("with refused calls waits for itself, and another's calls do not", async () => {
    await using lab = await openLab()
    const refused = { method: "GET", authority: "evil.example.com", path: "/" }
    const flood = Array.from({ length: 120 }, () => lab.guest.send(refused))
    const order: string[] = []
    const flooded = Promise.all(flood).then(() => order.push("flood"))
    await lab.guest.send(messagesCall())
    order.push("call")
    await flooded
    expect(order).toEqual(["call", "flood"])
    expect((await lab.rows()).filter((row) => row.outcome === "refused")).toHaveLength(120)
  })

  it("with batches of envelopes has one of them in the host's memory at a time", async () => {
    await using lab = await openLab()
    const server = createServer()
    server.listen(lab.files.machine.uplinkSocket)
    const [socket] = (await once(server, "connection")) as [Socket]
    const session = connect("http://host", { createConnection: () => socket })
    session.on("error", () => session.destroy())
    const answers: string[] = []
    const post = (name: string) => {
      const stream = session.request({ ":method": "POST", ":path": "/envelopes" })
      stream.on("error", () => stream.destroy())
      stream.once("response", () => answers.push(name))
      return stream
    }
    const first = post("first")
    first.write("[")
    const second = post("second").end("[]")
    await new Promise((resolve) => session.ping(resolve))
    expect(answers).toEqual([])
    first.end("]")
    await once(second, "close")
    expect(answers).toEqual(["first", "second"])
    session.destroy()
    server.close()
  })
})
