import { createSocket } from "node:dgram"
import { Resolver } from "node:dns/promises"
import { once } from "node:events"
import { connect } from "node:net"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { attribute, ownsFrame, ownsTouch } from "../../attack/attribute.ts"
import type { AttackCase, Vector } from "../../attack/vector.ts"
import { parseWireFrame } from "../../attack/wire-frame.ts"
import { openCanaries } from "../../attack/witness/open-canaries.ts"
import { openDnsSink } from "../../attack/witness/open-dns-sink.ts"
import { openWitnesses } from "../../attack/witness/open-witnesses.ts"
import { readPcap } from "../../attack/witness/read-pcap.ts"
import { renderSinkAnswer } from "../../attack/witness/sink-answer.ts"

const PCAP_HEAD = Buffer.from("d4c3b2a1020004000000000000000000000001000 1000000".replaceAll(" ", ""), "hex")

function record(frame: Buffer): Buffer {
  const head = Buffer.alloc(16)
  head.writeUInt32LE(frame.length, 8)
  head.writeUInt32LE(frame.length, 12)
  return Buffer.concat([head, frame])
}

/** UDP from the guest to 1.1.1.1:443 with the payload. */
function udpFrame(payload: string): Buffer {
  const ip = Buffer.from("4500001c00000000401100000a00020f01010101", "hex")
  const udp = Buffer.from("9c4001bb00080000", "hex")
  return Buffer.concat([Buffer.from("52550a0002025254005745010800", "hex"), ip, udp, Buffer.from(payload)])
}

function attackOf(how: Vector["how"], marker: string): AttackCase {
  return {
    vector: { id: "1-x", group: "G1", title: "", from: ["root"], how, expected: "REF" },
    from: "root",
    marker,
  }
}

describe("the capture of QEMU's wire", () => {
  it("is read frame by frame; one that is not complete yet is left", () => {
    const frames = [udpFrame("one"), udpFrame("two")]
    const whole = Buffer.concat([PCAP_HEAD, ...frames.map(record)])
    expect(readPcap(whole)).toEqual(frames)
    expect(readPcap(whole.subarray(0, -1))).toEqual(frames.slice(0, 1))
  })

  it("of a guest that lies about lengths is refused, not believed", () => {
    const lying = Buffer.alloc(16, 0xff)
    expect(() => readPcap(Buffer.concat([PCAP_HEAD, lying]))).toThrow(/a frame of/)
    expect(() => readPcap(Buffer.from("not a capture of anything"))).toThrow(/does not begin/)
  })

  it("takes any bytes for a frame without failing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        expect(parseWireFrame(Buffer.from(bytes)).what).not.toBe("")
      }),
    )
  })

  it("tells the proxy's own calls from everything else", () => {
    const tcp = "52550a0002025254005745010800450000280000000040060000"
    const own = Buffer.from(`${tcp}0a00020f0a000264e69e0c38${"00".repeat(16)}`, "hex")
    expect(parseWireFrame(own)).toMatchObject({ expected: true, to: "10.0.2.100", port: 3128 })
    expect(parseWireFrame(udpFrame(""))).toMatchObject({ expected: false, what: "UDP to 1.1.1.1:443" })
  })

  it("gives each frame to the case whose marker it holds, or whose aim it has, and keeps the rest", () => {
    const marked = attackOf({ kind: "frames", frames: [] }, "zaaaaaa001")
    const aimed = attackOf({ kind: "udp", host: "1.1.1.1", port: 443 }, "zaaaaaa002")
    const stray = Buffer.alloc(60, 7)
    const frames = [udpFrame("zaaaaaa001"), udpFrame("else"), stray].map(parseWireFrame)
    const found = attribute([marked, aimed], frames, ownsFrame)
    expect(found.of(marked)).toEqual([frames[0]])
    expect(found.of(aimed)).toEqual([frames[0], frames[1]])
    expect(found.rest).toEqual([frames[2]])
  })
})

describe("the canaries", () => {
  it("keep what reaches them by TCP and UDP, with the port that was meant", async () => {
    await using canaries = await openCanaries({ places: [{ address: "127.0.0.1", port: 0 }], tls: null })
    const socket = connect(canaries.port, "127.0.0.1")
    await once(socket, "connect")
    socket.end("zaaaaaa001 by tcp")
    await once(socket, "close")
    const udp = createSocket("udp4")
    await new Promise((sent) => udp.send("zaaaaaa002 by udp", canaries.port, "127.0.0.1", sent))
    await expect
      .poll(() =>
        canaries
          .touches()
          .map(({ protocol, text }) => `${protocol} ${text}`)
          .sort(),
      )
      .toEqual(["tcp zaaaaaa001 by tcp", "udp zaaaaaa002 by udp"])
    udp.close()
    const silent = attackOf({ kind: "tcp", host: "10.0.2.2", port: "{canary}" }, "zaaaaaa003")
    const touch = { protocol: "tcp", address: "127.0.0.1", port: canaries.port, text: "" } as const
    expect(ownsTouch(silent, touch, canaries.port)).toBe(true)
  })

  it("are tried before they are believed", async () => {
    await using witnesses = await openWitnesses({ addresses: [], world: null })
    expect(witnesses.canaries.touches()).toEqual([])
    expect(witnesses.sink.questions()).toEqual([])
    await expect(openWitnesses({ addresses: ["203.0.113.9"], world: null })).rejects.toThrow(/no canary on/)
  })
})

describe("the DNS sink", () => {
  it("keeps every question of a real resolver and answers it with a canary's address, or a worse one", async () => {
    await using sink = await openDnsSink("127.0.0.1", 0)
    const resolver = new Resolver()
    resolver.setServers([`127.0.0.1:${sink.port}`])
    expect(await resolver.resolve4("zaaaaaa001.evil.example")).toEqual(["93.184.216.34"])
    expect(await resolver.resolve4("x-loopback.rebind.example")).toEqual(["127.0.0.1"])
    expect(await resolver.resolve4("x-mixed.rebind.example")).toEqual(["93.184.216.34", "127.0.0.1"])
    expect(await resolver.resolve4("x-cname.rebind.example")).toEqual(["10.0.0.1"])
    expect(await resolver.resolve6("x-mapped.rebind.example")).toEqual(["::ffff:127.0.0.1"])
    expect(sink.questions().map(({ name }) => name)).toContain("zaaaaaa001.evil.example")
  })

  it("takes any bytes for a question without failing", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const answered = renderSinkAnswer(Buffer.from(bytes))
        expect(answered === null || answered.bytes.length > 12).toBe(true)
      }),
    )
  })
})
