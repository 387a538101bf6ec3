import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openGuestEgress } from "../fakes/guest.ts"
import { FLAG, FRAME, RawHttp2, type RawPairs, renderFrame, renderPairs } from "../fakes/raw-http2.ts"
import { type Lab, messagesCall, openLab } from "./lab.ts"
import { PLAIN } from "./request-corpus.ts"

let lab: Lab
beforeAll(async () => {
  lab = await openLab()
})
afterAll(() => lab[Symbol.asyncDispose]())

const uint32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const repeat = (count: number, frame: Buffer) => Buffer.concat(Array.from({ length: count }, () => frame))
const pairs = (count: number, value = "1"): RawPairs =>
  Array.from({ length: count }, (_none, index) => [`x-${index}`, value] as const)
const plain = renderPairs(PLAIN.pairs)
const open = renderFrame(FRAME.headers, FLAG.endHeaders, 1, plain)

/** An indexed field of 4 KB in the dynamic table, then `count` bytes that each stand for it once more. */
function hpackBomb(count: number): Buffer {
  const value = "a".repeat(4000)
  const entry = Buffer.concat([Buffer.from([0x40]), renderPairs([["x-bomb", value]]).subarray(1)])
  return Buffer.concat([plain, entry, Buffer.alloc(count, 0xbe)])
}

/** Frames in CONTINUATION, none of them the last. */
function endlessHead(count: number): Buffer {
  const part = renderFrame(FRAME.continuation, 0, 1, renderPairs(pairs(20, "a".repeat(500))))
  return Buffer.concat([renderFrame(FRAME.headers, FLAG.endStream, 1, plain), repeat(count, part)])
}

const HOSTILE: readonly (readonly [string, readonly Buffer[]])[] = [
  ["CONTINUATION without end", [endlessHead(200)]],
  [
    "empty CONTINUATION without end",
    [renderFrame(FRAME.headers, 1, 1, plain), repeat(20_000, renderFrame(FRAME.continuation, 0, 1))],
  ],
  ["an HPACK bomb", [renderFrame(FRAME.headers, 5, 1, hpackBomb(9000))]],
  [
    "an HPACK index that is not there",
    [renderFrame(FRAME.headers, 5, 1, Buffer.from([0xff, 0xff, 0xff, 0x7f]))],
  ],
  [
    "an HPACK table over the limit",
    [renderFrame(FRAME.headers, 5, 1, Buffer.from([0x3f, 0xe1, 0xff, 0xff, 0x7f]))],
  ],
  ["an HPACK integer without end", [renderFrame(FRAME.headers, 5, 1, Buffer.alloc(64, 0xff))]],
  [
    "a header list of 128 KiB",
    [
      renderFrame(FRAME.headers, 1, 1, plain),
      repeat(12, renderFrame(FRAME.continuation, 0, 1, renderPairs(pairs(1, "a".repeat(12_000))))),
      renderFrame(FRAME.continuation, 4, 1),
    ],
  ],
  [
    "two hundred headers",
    [renderFrame(FRAME.headers, 5, 1, Buffer.concat([plain, renderPairs(pairs(200))]))],
  ],
  [
    "another frame between HEADERS and CONTINUATION",
    [renderFrame(FRAME.headers, 0, 1, plain), renderFrame(FRAME.ping, 0, 0, Buffer.alloc(8))],
  ],
  ["PINGs that nobody answers", [repeat(30_000, renderFrame(FRAME.ping, 0, 0, Buffer.alloc(8)))]],
  ["SETTINGS without end", [repeat(30_000, renderFrame(FRAME.settings, 0, 0))]],
  ["SETTINGS of a thousand entries", [renderFrame(FRAME.settings, 0, 0, Buffer.alloc(6000, 9))]],
  ["a frame over the limit", [renderFrame(FRAME.data, 0, 1, Buffer.alloc(20_000))]],
  ["DATA on a stream that nobody opened", [renderFrame(FRAME.data, 0, 7, Buffer.from("{}"))]],
  ["DATA on stream 0", [renderFrame(FRAME.data, 0, 0, Buffer.from("{}"))]],
  ["a stream of the server's", [renderFrame(FRAME.headers, 5, 2, plain)]],
  [
    "a window of more than 2^31",
    [
      open,
      renderFrame(FRAME.window, 0, 1, uint32(0x7fffffff)),
      renderFrame(FRAME.window, 0, 1, uint32(0x7fffffff)),
    ],
  ],
  ["a window of nothing", [open, renderFrame(FRAME.window, 0, 1, uint32(0))]],
  ["PUSH_PROMISE from a client", [open, renderFrame(5, 4, 1, Buffer.concat([uint32(2), plain]))]],
  ["padding longer than its frame", [open, renderFrame(FRAME.data, 9, 1, Buffer.from([200, 1, 2]))]],
  [
    "two hundred streams at once",
    Array.from({ length: 200 }, (_none, index) => renderFrame(FRAME.headers, 4, 2 * index + 1, plain)),
  ],
  ["a second head instead of trailers", [open, renderFrame(FRAME.headers, 5, 1, plain)]],
]

async function expectStillServing(): Promise<void> {
  using guest = await openGuestEgress(lab.files.machine.egressSocket)
  expect(await guest.send(messagesCall())).toMatchObject({ status: 200, complete: true })
}

describe("HTTP/2 that is made to hurt", () => {
  it.each(HOSTILE)("%s ends its stream or its session, and no request comes of it", async (_name, frames) => {
    const sent = lab.provider.requests.length
    using raw = await RawHttp2.open(lab.files.machine.egressSocket)
    raw.write(...frames)
    const answer = await raw.answerOf(1, 5000)
    expect(answer.closed || (answer.goaway ?? answer.reset ?? 0) !== 0).toBe(true)
    expect(lab.provider.requests.length).toBe(sent)
    await expectStillServing()
  })

  it("trailers are cut with their request: nothing whole reaches the upstream", async () => {
    const sent = lab.provider.requests.length
    using raw = await RawHttp2.open(lab.files.machine.egressSocket)
    raw.write(open, renderFrame(FRAME.data, 0, 1, Buffer.from("{}")))
    raw.write(renderFrame(FRAME.headers, 5, 1, renderPairs([["x-trailer", "1"]])))
    const answer = await raw.answerOf(1)
    expect(answer.reset).not.toBe(0)
    expect(answer.body).toBe("")
    expect(lab.provider.requests.length).toBe(sent)
  })
})
