import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LeakError, openLeakScan } from "../../../host-proxy/provider/leak-scan.ts"

const SECRET = "sk-ant-real-0123456789-abcdefgh"
const ENCODERS = {
  identity: (bytes: Buffer) => bytes,
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  zstd: zstdCompressSync,
} as const
const encoding = fc.constantFrom(...(Object.keys(ENCODERS) as (keyof typeof ENCODERS)[]))

function cutAt(bytes: Buffer, places: readonly number[]): Buffer[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort(
    (left, right) => left - right,
  )
  const ends = [...sorted, bytes.length]
  return ends
    .map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
    .filter((piece) => piece.length > 0)
}

/** What a guest would get, and whether it was cut. */
async function scanAll(
  pieces: readonly Buffer[],
  name: string,
): Promise<{ passed: Buffer; leaked: boolean }> {
  const scan = openLeakScan(SECRET, [["content-encoding", name]])
  const passed: Buffer[] = []
  try {
    for (const piece of pieces) passed.push(...(await scan.pass(piece)))
    passed.push(...scan.finish())
    return { passed: Buffer.concat(passed), leaked: false }
  } catch (thrown) {
    if (!(thrown instanceof LeakError)) throw thrown
    return { passed: Buffer.concat(passed), leaked: true }
  }
}

describe("the leak scan", () => {
  it("passes every other answer byte for byte, however it is cut into chunks", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ maxLength: 300 }),
        fc.array(fc.nat(400)),
        encoding,
        async (text, places, name) => {
          const bytes = ENCODERS[name](Buffer.from(`${text}${SECRET.slice(0, -1)}`))
          const result = await scanAll(cutAt(bytes, places), name)
          expect(result.leaked).toBe(false)
          expect(result.passed.equals(bytes)).toBe(true)
        },
      ),
      { numRuns: 150, seed: 3 },
    )
  })

  it("stops the credential wherever chunks and compression hide it, before its last bytes pass", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ maxLength: 99 }),
        fc.string({ maxLength: 99 }),
        fc.array(fc.nat(300)),
        encoding,
        async (before, after, places, name) => {
          const bytes = ENCODERS[name](Buffer.from(before + SECRET + after))
          const result = await scanAll(cutAt(bytes, places), name)
          expect(result.leaked).toBe(true)
          expect(result.passed.includes(SECRET.slice(0, 16))).toBe(false)
        },
      ),
      { numRuns: 150, seed: 4 },
    )
  })

  it("stops an answer whose headers hold it", () => {
    expect(() => openLeakScan(SECRET, [["location", `https://a.example/?k=${SECRET}`]])).toThrow(LeakError)
  })

  it("does not delay a chunk that could not be the credential's beginning", async () => {
    const scan = openLeakScan(SECRET, [])
    expect(await scan.pass(Buffer.from("data: sk-ant"))).toHaveLength(1)
    expect(await scan.pass(Buffer.from(SECRET.slice(0, 12)))).toHaveLength(0)
    expect(await scan.pass(Buffer.from(" something else"))).toHaveLength(2)
  })

  it("stops an answer whose every chunk ends as the credential begins, and does not keep it all", async () => {
    const scan = openLeakScan(SECRET, [])
    const chunk = Buffer.concat([Buffer.alloc(1024 * 1024, "x"), Buffer.from(SECRET.slice(0, -1))])
    let passed = 0
    const endless = async () => {
      for (; passed < 100; passed += 1) expect(await scan.pass(chunk)).toEqual([])
    }
    await expect(endless()).rejects.toThrow(LeakError)
    expect(passed).toBeLessThan(20)
  })
})
