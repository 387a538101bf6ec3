import { describe, expect, it } from "vitest"
import { readBlob } from "../../host-proxy/archive/blobs.ts"
import { MAX_FRAME_BYTES } from "../../host-proxy/websocket/frame-reader.ts"
import { renderClose, renderFrame } from "../../host-proxy/websocket/render-frame.ts"
import { openGuestWebSocket } from "../fakes/guest-websocket.ts"
import { callHost } from "../fakes/host-client.ts"
import { PLACEHOLDER, REAL_KEY } from "../fakes/host-lab.ts"
import { agree, openWebSocketServer, type WebSocketServerOptions } from "../fakes/websocket-server.ts"
import { eventually, type LabParts, openLab } from "./lab.ts"

const SETS = {
  live: `
name = "live"
why = "sockets that the tests open"
owner = "the tests"

[[allow]]
host = "ws.example.com"
methods = ["GET"]
paths = ["/chat"]
query = "none"
websocket = true
why = "a WebSocket that may be opened"

[[allow]]
host = "plain.example.com"
methods = ["GET"]
paths = ["/chat"]
why = "a host without a WebSocket"

[[allow]]
host = "small.example.com"
methods = ["GET"]
paths = ["/chat"]
websocket = true
budget_mib = 1
why = "a WebSocket with a small budget"

[[allow]]
host = "api.anthropic.com"
methods = ["GET"]
paths = ["/v1/live"]
websocket = true
why = "a WebSocket with a credential"
`,
}
const MASK = Buffer.from([1, 2, 3, 4])
const CHAT = { authority: "ws.example.com", path: "/chat" }
const text = (words: string, fin = true) => ({ fin, opcode: 1 as const, payload: Buffer.from(words) })
const masked = (frame: Parameters<typeof renderFrame>[0]) => renderFrame(frame, MASK)
const CLOSE = { fin: true, opcode: 8 as const, payload: renderClose(1000, "") }

async function openSocketLab(options: WebSocketServerOptions = {}, host: LabParts["host"] = {}) {
  const server = await openWebSocketServer(options)
  const upstream = ["ws", "plain", "small"].map(
    (name) =>
      `[[upstream]]\nhost = "${name}.example.com"\nurl = "${server.url}"\nwhy = "the server of this test"`,
  )
  const files = {
    upstream: server.url,
    egressSets: ["live"],
    moreSets: SETS,
    hostConfig: upstream.join("\n\n"),
  }
  const lab = await openLab({ files, host })
  const row = () => eventually(async () => (await lab.rows()).at(-1) ?? null)
  return {
    server,
    lab,
    row,
    open: (request: Partial<Parameters<typeof openGuestWebSocket>[1]> = {}) =>
      openGuestWebSocket(lab.guest.session, { ...CHAT, ...request }),
    async [Symbol.asyncDispose]() {
      await lab[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

describe("a WebSocket that a rule allows", () => {
  it("carries messages both ways in frames of the host's own, and is archived as one exchange", async () => {
    await using rig = await openSocketLab()
    const socket = await rig.open({
      headers: { origin: "https://ws.example.com", "sec-websocket-protocol": "a, b" },
    })
    expect(socket.status).toBe(200)
    expect(socket.headers["sec-websocket-protocol"]).toBe("b")
    const sent = [
      text("hello"),
      text("in ", false),
      { fin: true, opcode: 9 as const, payload: Buffer.from("ping") },
      { fin: true, opcode: 0 as const, payload: Buffer.from("parts \u00e9") },
      { fin: true, opcode: 2 as const, payload: Buffer.alloc(200_000, 7) },
    ]
    await socket.send(...sent.map(masked))
    await eventually(() => (socket.frames.length === 5 ? true : null))
    expect(socket.frames.map(({ opcode, fin }) => [opcode, fin])).toEqual([
      [1, true],
      [1, false],
      [10, true],
      [0, true],
      [2, true],
    ])
    await socket.send(masked(CLOSE))
    expect(await socket.closed).toBe(true)
    expect(socket.closeCode).toBe(1000)
    const [handshake] = rig.server.handshakes
    expect(handshake?.text).toMatch(/^GET \/chat HTTP\/1\.1\r\n/)
    expect(handshake?.text).not.toMatch(/extensions/i)
    // the frames of the guest are not the ones that arrive: each has a key of the host's
    expect(rig.server.frames.map(({ payload }) => payload.length)).toEqual([5, 3, 4, 8, 200_000, 2])
    expect(rig.server.frames.some(({ raw }) => raw.equals(masked(text("hello"))))).toBe(false)
    const row = await rig.row()
    expect(row).toMatchObject({ method: "GET", status: 101, outcome: "complete", rule: "egress/live#1" })
    const archived = await readBlob(`${rig.lab.files.home.archive}/blobs`, row.request_sha256)
    expect(archived.equals(Buffer.concat([...sent, CLOSE].map(masked)))).toBe(true)
  })

  it.each([
    ["to a host whose rule has no websocket", { authority: "plain.example.com" }],
    ["to a host that no rule names", { authority: "evil.example.com" }],
    ["to another path", { path: "/admin" }],
    ["with a query that the rule does not allow", { path: "/chat?x=1" }],
    ["over plain HTTP, which the rule does not open", { scheme: "http" }],
    ["with another Host", { headers: { host: "evil.example.com" } }],
  ])("is refused with a structured 403 %s", async (_what, request) => {
    await using rig = await openSocketLab()
    const socket = await rig.open(request)
    await socket.closed
    expect(socket.status).toBe(403)
    expect(JSON.parse(socket.body.toString()).error.type).toBe("stereo_refused")
    expect(rig.server.handshakes).toEqual([])
    expect(await rig.row()).toMatchObject({ outcome: "refused", method: "GET" })
  })

  it("puts in the real credential, and takes only the machine's own placeholder for it", async () => {
    await using rig = await openSocketLab()
    const live = { authority: "api.anthropic.com", path: "/v1/live" }
    await rig.open({ ...live, headers: { "x-api-key": PLACEHOLDER } })
    expect(rig.server.handshakes[0]?.text).toContain(REAL_KEY)
    expect((await rig.open({ ...live, headers: { "x-api-key": "somebody's" } })).status).toBe(403)
  })
})

describe("a handshake of the upstream's", () => {
  it.each<[string, WebSocketServerOptions["answer"]]>([
    ["answers another key", (seen) => agree({ ...seen, key: "AAAAAAAAAAAAAAAAAAAAAA==" })],
    ["agrees to an extension", (seen) => agree(seen, ["Sec-WebSocket-Extensions: permessage-deflate"])],
    ["picks a subprotocol that nobody offered", (seen) => agree({ ...seen, protocols: ["soap"] })],
    ["picks two subprotocols", (seen) => agree({ ...seen, protocols: ["a"] }, ["Sec-WebSocket-Protocol: b"])],
    ["upgrades to h2c", (seen) => agree(seen).replace("Upgrade: websocket", "Upgrade: h2c")],
    ["does not say upgrade", (seen) => agree(seen).replace("Connection: Upgrade", "Connection: keep-alive")],
    ["answers twice", (seen) => agree(seen, ["Sec-WebSocket-Accept: AAAA"])],
    ["refuses", () => "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"],
    ["answers as to any request", () => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"],
    ["holds the real credential", (seen) => agree(seen, [`X-Key: ${REAL_KEY}`])],
  ])("that %s ends in a structured 502", async (_what, answer) => {
    await using rig = await openSocketLab(answer ? { answer } : {})
    const live = { authority: "api.anthropic.com", path: "/v1/live" }
    const headers = { "x-api-key": PLACEHOLDER, "sec-websocket-protocol": "a, b" }
    const socket = await rig.open({ ...live, headers })
    await socket.closed
    expect(socket.status).toBe(502)
    expect(socket.body.toString()).toContain("stereo_refused")
    expect(socket.body.toString()).not.toContain(REAL_KEY)
    expect(await rig.row()).toMatchObject({ outcome: "upstream-failed", status: 502 })
  })
})

const big = (length: number) => {
  const head = Buffer.alloc(10)
  head[0] = 0x82
  head[1] = 0x7f
  head.writeBigUInt64BE(BigInt(length), 2)
  return head
}
const setMask = (frame: Buffer) =>
  Buffer.concat([frame.subarray(0, 1), Buffer.from([(frame[1] ?? 0) | 0x80]), frame.subarray(2), MASK])

/** Frames without their masks, and the code that they must be answered with. */
const BROKEN: readonly (readonly [string, number, Buffer])[] = [
  ["a reserved bit", 1002, Buffer.from([0xc1, 0])],
  ["another reserved bit", 1002, Buffer.from([0x91, 0])],
  ["an unknown opcode", 1002, Buffer.from([0x83, 0])],
  ["an unknown control opcode", 1002, Buffer.from([0x8b, 0])],
  ["a ping in fragments", 1002, Buffer.from([0x09, 0])],
  ["a ping of 126 bytes", 1002, Buffer.from([0x89, 126, 0, 126])],
  ["a length of 5 in two bytes", 1002, Buffer.from([0x82, 126, 0, 5])],
  ["a length of 5 in eight bytes", 1002, big(5)],
  ["a frame over a mebibyte", 1009, big(MAX_FRAME_BYTES + 1)],
  ["a frame of 2^63 bytes", 1009, Buffer.from([0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0])],
  ["a continuation of nothing", 1002, Buffer.from([0x80, 0])],
  ["a text that is not UTF-8", 1007, Buffer.from([0x81, 1, 0xff])],
  ["half a close code", 1002, Buffer.from([0x88, 1, 3])],
  ["a close code that may not be sent", 1002, Buffer.from([0x88, 2, 0x03, 0xed])],
]

describe("a frame that is broken", () => {
  it.each(BROKEN)(
    "by the guest (%s) closes both sides with %i, and the record says why",
    async (_what, code, frame) => {
      await using rig = await openSocketLab()
      const socket = await rig.open()
      const payload = frame.length > 2 && (frame[1] ?? 0) < 126 ? frame.subarray(2) : null
      const bytes = payload
        ? Buffer.concat([
            setMask(frame.subarray(0, 2)),
            Buffer.from(payload.map((byte, at) => byte ^ (MASK[at & 3] ?? 0))),
          ])
        : setMask(frame)
      await socket.send(masked(text("before")), bytes)
      await socket.closed
      expect(socket.closeCode).toBe(code)
      await eventually(() => rig.server.frames.find((one) => one.opcode === 8) ?? null)
      expect(rig.server.frames.at(-1)?.payload.readUInt16BE(0)).toBe(code)
      expect(rig.server.frames[0]?.payload.toString()).toBe("before")
      const row = await rig.row()
      expect(row).toMatchObject({ outcome: "interrupted", status: 101 })
      expect(row.upstream_error).toContain("the guest broke the WebSocket")
    },
  )

  it.each(BROKEN)(
    "by the upstream (%s) closes both sides with %i, and the record says why",
    async (_what, code, greet) => {
      await using rig = await openSocketLab({ greet })
      const socket = await rig.open()
      await socket.closed
      expect(socket.closeCode).toBe(code)
      const row = await rig.row()
      expect(row).toMatchObject({ outcome: "upstream-failed", status: 101 })
      expect(row.upstream_error).toContain("the upstream broke the WebSocket")
    },
  )

  it("for want of a mask from the guest, or with one from the upstream, ends it", async () => {
    await using rig = await openSocketLab()
    const socket = await rig.open()
    await socket.send(renderFrame(text("bare"), null))
    await socket.closed
    expect(socket.closeCode).toBe(1002)
    await using other = await openSocketLab({ greet: masked(text("masked")) })
    const second = await other.open()
    await second.closed
    expect(second.closeCode).toBe(1002)
    expect(second.frames).toHaveLength(1)
  })

  it("is what any other protocol looks like: no tunnel comes of it", async () => {
    await using rig = await openSocketLab()
    const socket = await rig.open()
    await socket.send(Buffer.from("SSH-2.0-OpenSSH_9.2\r\n"))
    await socket.closed
    expect(socket.closeCode).toBe(1002)
    expect(rig.server.frames.filter((frame) => frame.opcode !== 8)).toEqual([])
  })
})

describe("a WebSocket's bounds", () => {
  it("a message over sixteen mebibytes in small frames is refused with 1009", async () => {
    await using rig = await openSocketLab({ onFrame: () => undefined })
    const socket = await rig.open()
    const part = (opcode: 0 | 2) => masked({ fin: false, opcode, payload: Buffer.alloc(1024 * 1024) })
    await socket.send(part(2), ...Array.from({ length: 16 }, () => part(0)))
    await socket.closed
    expect(socket.closeCode).toBe(1009)
  })

  it("pings without end are refused with 1008", async () => {
    await using rig = await openSocketLab()
    const socket = await rig.open()
    const ping = masked({ fin: true, opcode: 9, payload: Buffer.alloc(0) })
    await socket.send(...Array.from({ length: 300 }, () => ping))
    await socket.closed
    expect(socket.closeCode).toBe(1008)
  })

  it("silence is closed with 1001", async () => {
    await using rig = await openSocketLab({}, { limits: { websocketIdleMs: 150 } })
    const socket = await rig.open()
    await socket.closed
    expect(socket.closeCode).toBe(1001)
    expect(await rig.row()).toMatchObject({ outcome: "interrupted", reason: "nothing came for 0.15 s" })
  })

  it("the budget of its rule closes it with 1008, and counts across sockets", async () => {
    await using rig = await openSocketLab({ onFrame: () => undefined })
    const part = masked({ fin: true, opcode: 2, payload: Buffer.alloc(600_000) })
    const socket = await rig.open({ authority: "small.example.com" })
    await socket.send(part, part)
    await socket.closed
    expect(socket.closeCode).toBe(1008)
    expect((await rig.row()).reason).toContain("of the 1.00 MiB that egress/live#3 lets it send")
    const again = await rig.open({ authority: "small.example.com" })
    await again.send(part)
    await again.closed
    expect(again.closeCode).toBe(1008)
  })

  it("the real credential is cut off, in fragments and with pings between them, and never archived", async () => {
    const half = Math.floor(REAL_KEY.length / 2)
    const greet = Buffer.concat([
      renderFrame(text(`psst ${REAL_KEY.slice(0, half)}`, false), null),
      renderFrame({ fin: true, opcode: 9, payload: Buffer.from("x") }, null),
      renderFrame({ fin: true, opcode: 0, payload: Buffer.from(REAL_KEY.slice(half)) }, null),
    ])
    await using rig = await openSocketLab({ greet })
    const live = { authority: "api.anthropic.com", path: "/v1/live", headers: { "x-api-key": PLACEHOLDER } }
    const socket = await rig.open(live)
    expect(await socket.closed).toBe(false)
    expect(socket.body.toString("latin1")).not.toContain(REAL_KEY.slice(0, half))
    const row = await rig.row()
    expect(row).toMatchObject({ outcome: "upstream-failed" })
    const archived = await readBlob(`${rig.lab.files.home.archive}/blobs`, row.response_sha256)
    expect(archived.toString("latin1")).not.toContain(REAL_KEY.slice(0, half))
  })

  it("a machine that is let go of loses it, and the record says so", async () => {
    await using rig = await openSocketLab()
    const socket = await rig.open()
    await socket.send(masked(text("hello")))
    await eventually(() => socket.frames[0] ?? null)
    await callHost(rig.lab.files.home.hostSocket, "POST", "/machines/lab/detach")
    expect(await socket.closed).toBe(false)
    expect(await rig.row()).toMatchObject({ outcome: "interrupted", status: 101 })
  })
})
