import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { answerMessages } from "../fakes/anthropic-script.ts"
import { eventually, messagesCall, openLab } from "./lab.ts"

describe("a streamed answer", () => {
  it.each([1, 3, 7])(
    "is passed on while the provider still holds what comes after chunk %i",
    async (count) => {
      await using lab = await openLab()
      const call = messagesCall(`stall=${count}`)
      const expected = Buffer.concat(answerMessages(JSON.parse(call.body)).chunks.slice(0, count))
      const answer = await lab.guest.send(call, (_chunk, cameBytes) => cameBytes < expected.length)
      expect(answer.body.equals(expected)).toBe(true)
    },
  )

  it("that the client cuts is archived with what had come, marked, and ended at the provider", async () => {
    await using lab = await openLab()
    let seen = 0
    const answer = await lab.guest.send(messagesCall("stall=3"), (chunk) => {
      seen += chunk.length
      return !chunk.includes("content_block_start")
    })
    expect(answer.complete).toBe(false)
    await lab.provider.aborted
    const [row] = await eventually(async () => ((await lab.rows()).length > 0 ? await lab.rows() : null))
    expect(row).toMatchObject({ outcome: "client-aborted", status: 200, upstream_error: null })
    expect(row?.response_bytes).toBeGreaterThanOrEqual(seen)
  })

  it("that the provider cuts ends in a reset, never in an end that looks whole, and is archived so", async () => {
    await using lab = await openLab()
    const answer = await lab.guest.send(messagesCall("cut=4"))
    expect(answer.status).toBe(200)
    expect(answer.complete).toBe(false)
    const [row] = await eventually(async () => ((await lab.rows()).length > 0 ? await lab.rows() : null))
    expect(row).toMatchObject({ outcome: "upstream-failed", response_sha256: answer.sha256 })
    expect(row?.upstream_error).toBeTruthy()
  })

  it("that stops coming is cut after the idle time", async () => {
    await using lab = await openLab({
      host: { timeouts: { connectMs: 1000, firstByteMs: 1000, idleMs: 300 } },
    })
    const answer = await lab.guest.send(messagesCall("stall=2"))
    expect(answer.complete).toBe(false)
    const [row] = await eventually(async () => ((await lab.rows()).length > 0 ? await lab.rows() : null))
    expect(row).toMatchObject({ outcome: "upstream-failed" })
  })
})

describe("an answer's end", () => {
  it("comes only when its record is durable, for streams and for answers of known length", async () => {
    await using lab = await openLab()
    for (const [fake, expected] of [
      ["", 1],
      ["echo=0,status=404", 2],
    ] as const) {
      const answer = await lab.guest.send(messagesCall(fake))
      expect(answer.complete).toBe(true)
      expect(await lab.rows()).toHaveLength(expected)
      expect((await lab.rows()).at(-1)?.response_sha256).toBe(answer.sha256)
    }
  })

  it("of known length holds the last byte back until then", async () => {
    await using lab = await openLab()
    let came = 0
    const counts: Promise<number>[] = []
    const answer = await lab.guest.send(messagesCall("status=404"), (chunk) => {
      came += chunk.length
      counts.push(lab.rows().then((rows) => rows.length))
      return true
    })
    expect(Number(answer.headers["content-length"])).toBe(came)
    expect((await Promise.all(counts)).at(-1)).toBe(1)
  })
})

describe("bodies", () => {
  it("of five megabytes go up byte for byte and are archived so", async () => {
    await using lab = await openLab()
    const body = JSON.stringify({ model: "m", messages: [{ role: "user", content: "x".repeat(5_000_000) }] })
    const answer = await lab.guest.send({ ...messagesCall(), body })
    expect(answer.status).toBe(200)
    const digest = createHash("sha256").update(body).digest("hex")
    expect(lab.provider.requests[0]?.sha256).toBe(digest)
    expect((await lab.rows())[0]).toMatchObject({ request_sha256: digest, request_bytes: body.length })
  })

  it("over the limit are refused with 413, and the refusal is archived", async () => {
    await using lab = await openLab()
    const answer = await lab.guest.send({ ...messagesCall(), body: Buffer.alloc(65 * 1024 * 1024, 97) })
    expect(answer.status).toBe(413)
    expect(answer.headers["stereo-verdict"]).toBe("egress/body-too-large")
    expect(await lab.rows()).toMatchObject([{ outcome: "refused", status: 413 }])
  })

  it("many at once do not mix", async () => {
    await using lab = await openLab()
    const calls = Array.from({ length: 40 }, (_none, index) =>
      lab.guest.send(messagesCall("", { messages: [{ role: "user", content: `call ${index}` }] })),
    )
    const answers = await Promise.all(calls)
    expect(answers.every((one) => one.complete && one.status === 200)).toBe(true)
    const rows = await lab.rows()
    expect(new Set(rows.map((row) => row.request_sha256)).size).toBe(40)
  })
})
