import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { type CaptureLab, openCaptureLab } from "./capture-lab.ts"
import { type SeenRequest, sha256 } from "./gateway-stand-in.ts"
import { labProblem } from "./guest-lab.ts"

const problem = labProblem()
const NAME = "api.example.com"

describe("the capture proxy", () => {
  let rig: CaptureLab
  beforeAll(async () => {
    if (!problem) rig = await openCaptureLab()
  })
  beforeEach((context) => {
    if (problem) context.skip(problem)
    rig.host.seen.length = 0
    rig.host.onRequest = answer("hello")
  })
  afterAll(() => rig?.close())

  const answer =
    (body: string, headers: Record<string, string> = {}) =>
    ({ stream }: SeenRequest): void => {
      stream.respond({ ":status": 200, ...headers })
      stream.end(body)
    }
  const claim = (request: SeenRequest | undefined): unknown => request?.headers["stereo-exchange"]

  it.each([
    ["plain HTTP that ignores the proxy", { url: `http://${NAME}/a?b=%2F` }, "http", undefined],
    ["TLS that ignores the proxy", { url: `https://${NAME}/a?b=%2F` }, "https", NAME],
    ["plain HTTP through the proxy", { url: `http://${NAME}/a?b=%2F`, proxy: true }, "http", undefined],
  ])("passes on %s as one structured request", async (_name, spec, scheme, sni) => {
    const result = await rig.probe({ ...spec, method: "POST", body: "question" })
    expect(result).toMatchObject({ status: 200, ended: true, error: null })
    expect(result.body.toString()).toBe("hello")
    const [seen] = rig.host.seen
    expect(seen?.headers).toMatchObject({
      ":method": "POST",
      ":scheme": scheme,
      ":authority": NAME,
      ":path": "/a?b=%2F",
    })
    expect(seen?.headers["stereo-sni"]).toBe(sni)
    expect((await seen?.body)?.toString()).toBe("question")
    expect(seen?.headers["stereo-process"]).toMatch(/^\d+ \/\S*node$/)
    expect(await rig.envelopeOf(claim(seen))).toMatchObject({
      outcome: "complete",
      process: { pid: expect.any(Number), executable: expect.stringMatching(/node$/) },
      via: "proxy" in spec ? "explicit" : "redirect",
      authority: NAME,
      status: 200,
      requestSha256: sha256(Buffer.from("question")),
      responseSha256: sha256(Buffer.from("hello")),
    })
  })

  it("asks the host about a CONNECT before it says yes, and ends TLS itself", async () => {
    const result = await rig.probe({ url: `https://${NAME}/x`, proxy: true })
    expect(result).toMatchObject({ status: 200, ended: true })
    expect(rig.host.seen.map(({ headers }) => [headers[":method"], headers[":authority"]])).toEqual([
      ["CONNECT", `${NAME}:443`],
      ["GET", NAME],
    ])
  })

  it("gives a refused CONNECT the host's own answer", async () => {
    rig.host.onRequest = ({ stream }) => {
      stream.respond({
        ":status": 403,
        "content-type": "application/json",
        "stereo-verdict": "egress/no-rule",
      })
      stream.end('{"error":{}}')
    }
    const result = await rig.probe({ url: "https://evil.example/", proxy: true })
    expect(result).toMatchObject({ status: 403, headers: { "stereo-verdict": "egress/no-rule" } })
    expect(result.body.toString()).toBe('{"error":{}}')
    expect(rig.host.seen).toHaveLength(1)
    expect(await rig.envelopeOf(claim(rig.host.seen[0]))).toMatchObject({
      method: "CONNECT",
      authority: "evil.example:443",
      status: 403,
      responseSha256: sha256(result.body),
    })
  })

  it("tells the host the name of the handshake when it differs from Host", async () => {
    await rig.probe({ url: `https://${NAME}/`, headers: { host: "evil.example" } })
    await rig.probe({ url: `https://${NAME}/`, proxy: true, serverName: "front.example" })
    const told = rig.host.seen.filter(({ headers }) => headers[":method"] === "GET")
    expect(told.map(({ headers }) => [headers[":authority"], headers["stereo-sni"]])).toEqual([
      ["evil.example", NAME],
      [NAME, "front.example"],
    ])
  })

  it("passes an address on as what it is", async () => {
    await rig.probe({ url: "http://93.184.216.34/" })
    expect(rig.host.seen[0]?.headers[":authority"]).toBe("93.184.216.34")
  })

  it("keeps the headers of one hop and the proxy's own names to itself", async () => {
    const headers = {
      connection: "x-hop",
      "x-hop": "1",
      "x-far": ["1", "2"],
      "stereo-exchange": "forged",
      "proxy-authorization": "x",
    }
    await rig.probe({ url: `http://${NAME}/`, headers })
    const seen = rig.host.seen[0]?.headers
    expect(seen).toMatchObject({ "x-far": "1, 2" })
    expect(seen).not.toHaveProperty("x-hop")
    expect(seen).not.toHaveProperty("proxy-authorization")
    expect(seen?.["stereo-exchange"]).toMatch(/^[0-9a-z]{26}$/)
  })

  it("hands each chunk on before the next one is there", async () => {
    let next: (() => void) | null = null
    let sent = 0
    rig.host.onRequest = ({ stream }) => {
      stream.respond({ ":status": 200, "content-type": "text/event-stream" })
      next = () => (sent < 5 ? void stream.write(`chunk ${sent++};`) : void stream.end())
      next()
    }
    // the host writes a chunk only when the client has shown the one before
    const result = await rig.probe({ url: `https://${NAME}/` }, (event) => "chunk" in event && next?.())
    expect(result.body.toString()).toBe("chunk 0;chunk 1;chunk 2;chunk 3;chunk 4;")
    expect(result.ended).toBe(true)
  })

  it("carries megabytes both ways byte for byte, and both sides count the same", async () => {
    const size = 6_000_000
    const down = Buffer.alloc(size, "0123456789abcdef!")
    rig.host.onRequest = async ({ stream, body }) => {
      stream.respond({ ":status": 200, "x-got": sha256(await body) })
      stream.end(down)
    }
    const result = await rig.probe({ url: `https://${NAME}/`, method: "PUT", bodyBytes: size })
    const [seen] = rig.host.seen
    const up = await seen?.body
    expect(up?.length).toBe(size)
    expect(result.headers["x-got"]).toBe(sha256(up ?? Buffer.alloc(0)))
    expect(sha256(result.body)).toBe(sha256(down))
    expect(await rig.envelopeOf(claim(seen))).toMatchObject({
      requestSha256: result.headers["x-got"],
      requestBytes: size,
      responseSha256: sha256(down),
      responseBytes: size,
    })
  })

  it("resets the host's stream when the client goes, and says how far it came", async () => {
    const closed = new Promise<number>((resolve) => {
      rig.host.onRequest = ({ stream }) => {
        stream.respond({ ":status": 200 })
        stream.write("first")
        stream.once("close", () => resolve(stream.rstCode))
      }
    })
    await rig.probe({ url: `https://${NAME}/`, abortAfterChunk: true })
    expect(await closed).not.toBe(0)
    expect(await rig.envelopeOf(claim(rig.host.seen[0]))).toMatchObject({
      outcome: "client-aborted",
      responseSha256: sha256(Buffer.from("first")),
      responseBytes: 5,
    })
  })

  it.each([
    ["of unknown length over HTTP", `http://${NAME}/`, {}],
    ["of unknown length over TLS", `https://${NAME}/`, {}],
    ["of known length", `http://${NAME}/`, { "content-length": "100" }],
  ])("never makes an answer %s that the host cut look whole", async (_name, url, headers) => {
    rig.host.onRequest = ({ stream }) => {
      stream.respond({ ":status": 200, ...headers })
      stream.write("part", () => setTimeout(() => stream.destroy(new Error("cut")), 50))
    }
    const result = await rig.probe({ url })
    expect(result).toMatchObject({ status: 200, ended: false })
    expect(result.error).not.toBeNull()
    expect(await rig.envelopeOf(claim(rig.host.seen[0]))).toMatchObject({
      outcome: "gateway-aborted",
      responseBytes: 4,
    })
  })

  it("passes HEAD, 204, 304 and early refusals of an upload as they are", async () => {
    rig.host.onRequest = ({ stream }) =>
      stream.respond({ ":status": 200, "content-length": "12" }, { endStream: true })
    const head = await rig.probe({ url: `http://${NAME}/`, method: "HEAD" })
    expect(head).toMatchObject({ status: 200, ended: true, headers: { "content-length": "12" } })
    for (const status of [204, 304]) {
      rig.host.onRequest = ({ stream }) => stream.respond({ ":status": status }, { endStream: true })
      expect(await rig.probe({ url: `http://${NAME}/` })).toMatchObject({ status, ended: true })
    }
    rig.host.onRequest = ({ stream }) => {
      stream.respond({ ":status": 403 })
      stream.end("no", () => stream.close(0))
    }
    const refused = await rig.probe({ url: `http://${NAME}/`, method: "POST", bodyBytes: 3_000_000 })
    expect(refused).toMatchObject({ status: 403 })
    expect(refused.body.toString()).toBe("no")
  })

  it("reaches a host service that was killed and started anew while nothing was under way", async () => {
    await rig.probe({ url: `http://${NAME}/` })
    await rig.host.die()
    await rig.host.start()
    rig.host.seen.length = 0
    const result = await rig.probe({ url: `http://${NAME}/again`, method: "POST", body: "only once" })
    expect(result).toMatchObject({ status: 200, ended: true })
    expect(rig.host.seen.filter(({ headers }) => headers[":path"] === "/again")).toHaveLength(1)
    expect((await rig.host.seen[0]?.body)?.toString()).toBe("only once")
  })

  it("cuts the client off when the host dies in the middle of an answer, and serves the next", async () => {
    rig.host.onRequest = ({ stream }) => {
      stream.respond({ ":status": 200 })
      stream.write("part")
    }
    const cut = rig.probe({ url: `https://${NAME}/` }, (event) => "chunk" in event && void rig.host.die())
    expect(await cut).toMatchObject({ status: 200, ended: false })
    await rig.host.start()
    rig.host.onRequest = answer("back")
    expect((await rig.probe({ url: `https://${NAME}/` })).body.toString()).toBe("back")
  })

  it("does not send again what a host that died may have begun with", async () => {
    const died = new Promise<void>((resolve) => {
      rig.host.onRequest = async ({ body }) => {
        await body
        // long enough for the host to have shown that it is there
        setTimeout(() => resolve(rig.host.die()), 200)
      }
    })
    const lost = rig.probe({ url: `http://${NAME}/pay`, method: "POST", body: "1" })
    await died
    await rig.host.start()
    expect(await lost).toMatchObject({ status: 502, ended: true })
    expect(rig.host.seen).toHaveLength(1)
  })

  it("answers for itself when there is no host, and says so", async () => {
    await rig.host.die()
    const result = await rig.probe({ url: `https://${NAME}/`, method: "POST", body: "x" })
    expect(result.status === 502 || result.status === 503).toBe(true)
    expect(JSON.parse(result.body.toString())).toMatchObject({
      error: { type: "stereo_refused", rule: expect.stringMatching(/^gateway\//) },
    })
    await rig.host.start()
    // it looks for the host every now and then, and finds it
    let status = result.status
    for (let tries = 0; status !== 200 && tries < 20; tries += 1) {
      status = (await rig.probe({ url: `https://${NAME}/` })).status
    }
    expect(status).toBe(200)
  })
})
