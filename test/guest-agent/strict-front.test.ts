import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { refusalBody } from "../../contract/verdict.ts"
import { CAPTURE_PORTS } from "../../contract/wire.ts"
import { type CaptureLab, openCaptureLab, type RawCame } from "./capture-lab.ts"
import { labProblem } from "./guest-lab.ts"
import { HTTP1_CORPUS } from "./http1-corpus.ts"

const problem = labProblem()

describe("the capture proxy's HTTP/1", () => {
  let rig: CaptureLab
  let came: readonly RawCame[] = []
  let seenPaths: readonly string[] = []
  beforeAll(async () => {
    if (problem) return
    rig = await openCaptureLab()
    const sent = HTTP1_CORPUS.map(({ bytes, explicit, dripMs }, index) => ({
      bytes: bytes.replaceAll("%P", `/case-${index}-`),
      ...(explicit ? { host: "127.0.0.1", port: CAPTURE_PORTS.explicit } : { host: "198.18.0.9", port: 80 }),
      dripMs,
    }))
    came = await rig.send(sent)
    seenPaths = rig.host.seen.map(({ headers }) => String(headers[":path"]))
    const quick = came.filter(({ index }) => HTTP1_CORPUS[index]?.status !== 408)
    const slowestMs = Math.max(...quick.map(({ elapsedMs }) => elapsedMs))
    process.stdout.write(`slowest refusal of the HTTP/1 corpus: ${slowestMs.toFixed(0)} ms\n`)
  })
  beforeEach((context) => {
    if (problem) context.skip(problem)
  })
  afterAll(() => rig?.close())

  it.each(HTTP1_CORPUS.map((one, index) => [one.name, one.status, index] as const))(
    "refuses %s with a structured %i, and nothing of it reaches the host",
    (_name, status, index) => {
      const { answer = "" } = came.find((one) => one.index === index) ?? {}
      const [head = "", body = ""] = answer.split("\r\n\r\n")
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
      expect(refusalBody.parse(JSON.parse(body)).error.rule).toMatch(/^proxy\//)
      expect(seenPaths.filter((path) => path.startsWith(`/case-${index}-`))).toEqual([])
    },
  )

  it("has let nothing of the whole corpus through, smuggled or not", () => {
    expect(seenPaths).toEqual([])
  })

  it("answers what came before an ambiguous message, refuses that one, and reads no further", async () => {
    rig.host.seen.length = 0
    const good = "GET /first HTTP/1.1\r\nHost: a.example\r\n\r\n"
    const odd =
      "GET /second HTTP/1.1\r\nHost : a.example\r\n\r\nGET /third HTTP/1.1\r\nHost: a.example\r\n\r\n"
    const [one] = await rig.send([{ bytes: `${good}${odd}`, host: "198.18.0.9", port: 80, dripMs: 1 }])
    expect(one?.answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(one?.answer.slice(20)).toContain("HTTP/1.1 400 ")
    expect(rig.host.seen.map(({ headers }) => headers[":path"])).toEqual(["/first"])
  })

  it("cuts a body that turns bad while it is under way: the host never sees its end", async () => {
    rig.host.seen.length = 0
    rig.host.onRequest = () => undefined
    const bytes =
      "POST /late HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5;x\r\n"
    const [one] = await rig.send([{ bytes, host: "198.18.0.9", port: 80, dripMs: 2 }])
    expect(one?.answer).toMatch(/^HTTP\/1\.1 400 /)
    const [seen] = rig.host.seen
    const ended = await Promise.race([
      seen?.body.then(() => "whole"),
      new Promise((go) => setTimeout(() => go("cut"), 300)),
    ])
    expect(ended).toBe("cut")
    expect(seen?.stream.aborted).toBe(true)
  })
})
