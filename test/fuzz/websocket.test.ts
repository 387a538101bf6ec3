import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { BrokenFrame, type Frame, FrameReader, type Opcode } from "../../host-proxy/websocket/frame-reader.ts"
import { MessageGuard } from "../../host-proxy/websocket/message-guard.ts"
import { renderFrame } from "../../host-proxy/websocket/render-frame.ts"
import { FUZZ_TIMEOUT_MS, runProperty } from "./run-property.ts"

const mask = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => Buffer.from(bytes))
const frame = fc.record({
  fin: fc.boolean(),
  opcode: fc.constantFrom<Opcode>(0, 1, 2),
  payload: fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.constantFrom(125, 126, 65_535, 65_536).map((length) => new Uint8Array(length)),
  ),
})
const cuts = fc.array(fc.nat(70_000), { maxLength: 6 })

/** The bytes in pieces, cut where told. */
function pieces(bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [0, ...at.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  return places.slice(1).map((end, index) => bytes.subarray(places[index], end))
}

describe("a WebSocket's frames", { timeout: FUZZ_TIMEOUT_MS }, () => {
  it.each([true, false])("come out as they went in, however they are cut (masked: %s)", (masked) =>
    runProperty(
      fc.property(fc.array(frame, { maxLength: 5 }), mask, cuts, (frames, key, at) => {
        const sent = frames.map((one) => ({ ...one, payload: Buffer.from(one.payload) }))
        const wire = sent.map((one) => renderFrame(one, masked ? key : null))
        const reader = new FrameReader(masked)
        const came = pieces(Buffer.concat(wire), at).flatMap((piece) => [...reader.feed(piece)])
        expect(came.map(({ raw }) => raw.toString("hex"))).toEqual(wire.map((one) => one.toString("hex")))
        expect(came.map(({ payload }) => payload.toString("hex"))).toEqual(
          sent.map(({ payload }) => payload.toString("hex")),
        )
      }),
    ),
  )

  it.each([true, false])(
    "any bytes are frames that are written the same again, or broken (masked: %s)",
    (masked) =>
      runProperty(
        fc.property(fc.uint8Array({ maxLength: 400 }), cuts, (array, at) => {
          const reader = new FrameReader(masked)
          const guard = new MessageGuard()
          const frames: Frame[] = []
          try {
            for (const piece of pieces(Buffer.from(array), at)) {
              for (const one of reader.feed(piece)) {
                guard.check(one, 0)
                frames.push(one)
              }
            }
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(BrokenFrame)
          }
          // what was taken is a beginning of what came, and there is one way to write it
          const wire = Buffer.concat(frames.map(({ raw }) => raw))
          expect(wire.equals(Buffer.from(array).subarray(0, wire.length))).toBe(true)
          for (const one of frames) {
            const plain = renderFrame(one, null)
            expect([...new FrameReader(false).feed(plain)][0]?.payload.equals(one.payload)).toBe(true)
            expect(plain.length).toBe(one.raw.length - (masked ? 4 : 0))
          }
        }),
      ),
  )
})
