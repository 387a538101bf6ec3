import { once } from "node:events"
import { connect, createServer } from "node:http2"
import type { AddressInfo } from "node:net"
import { setImmediate as turn } from "node:timers/promises"
import { describe, expect, it } from "vitest"
import type { MeasurementLine } from "../../../contract/measurement.ts"
import { readMeasurements } from "../../../host-proxy/guest/read-measurements.ts"

/** What comes of a guest that answers with these chunks, one by one, and how long the host computed over them. */
async function follow(chunks: readonly (string | Buffer)[]) {
  const server = createServer((_request, response) => {
    void (async () => {
      for (const chunk of chunks) {
        response.write(chunk)
        await turn()
      }
      response.end()
    })()
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const taken: MeasurementLine[] = []
  const startedMs = performance.now()
  const reader = {
    take: (line: MeasurementLine) => void taken.push(line),
    pace: async () => true,
    signal: new AbortController().signal,
  }
  const ended = await readMeasurements(session, reader).catch((thrown: Error) => thrown.message)
  const tookMs = performance.now() - startedMs
  session.destroy()
  server.close()
  return { taken, ended, tookMs }
}

const alive = { kind: "alive" as const }
const unwatched = { kind: "unwatched" as const, reason: "für eine Weile" }

describe("what a guest says that it is", () => {
  it("is read by lines, wherever they are cut", async () => {
    const bytes = Buffer.from(
      `${JSON.stringify(alive)}\n${JSON.stringify(unwatched)}\n${JSON.stringify(alive)}\n`,
    )
    const single = [...bytes].map((byte) => Buffer.from([byte]))
    for (const chunks of [[bytes], single, [bytes.subarray(0, 40), bytes.subarray(40)]]) {
      expect(await follow(chunks)).toMatchObject({
        taken: [alive, unwatched, alive],
        ended: expect.stringContaining("measurements ended"),
      })
    }
  })

  it("is no line when it is too long, with or without its end", async () => {
    const long = "a".repeat(1024 * 1024 + 1)
    for (const text of [long, `${long}\n`]) {
      const { taken, ended } = await follow([text])
      expect(ended).toMatch(/longer than/)
      expect(taken).toEqual([])
    }
  })

  it("costs the host no more for dripping", { timeout: 60_000 }, async () => {
    const dripping = Array.from({ length: 20_000 }, () => "a")
    const short = await follow(["a", ...dripping])
    const long = await follow(["a".repeat(1_000_000), ...dripping])
    expect(long.ended).toMatch(/measurements ended/)
    // a line that is put together anew at each drip would cost thousands of times as much
    expect(long.tookMs / short.tookMs).toBeLessThan(10)
  })
})
