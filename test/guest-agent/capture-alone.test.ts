import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { GUEST_USERS } from "../../contract/wire.ts"
import { type CaptureLab, openCaptureLab } from "./capture-lab.ts"
import { labProblem } from "./guest-lab.ts"

const problem = labProblem()
const NAME = "api.example.com"

describe("what the capture proxy refuses or answers by itself", () => {
  let rig: CaptureLab
  beforeAll(async () => {
    if (!problem) rig = await openCaptureLab()
  })
  beforeEach((context) => {
    if (problem) context.skip(problem)
    rig.host.seen.length = 0
  })
  afterAll(() => rig?.close())

  it.each([
    ["two Host headers", "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", 400],
    ["no Host header", "GET / HTTP/1.1\r\n\r\n", 400],
    ["HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n", 400],
    ["a user in Host", "GET / HTTP/1.1\r\nHost: a@b.example\r\n\r\n", 400],
    ["a target that differs from Host", "GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n", 400],
    [
      "Content-Length beside Transfer-Encoding",
      "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400,
    ],
    [
      "two lengths",
      "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
      400,
    ],
    [
      "a length that is no number",
      "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: +5\r\n\r\nhello",
      400,
    ],
    ["a folded header", "GET / HTTP/1.1\r\nHost: a.example\r\nX: a\r\n b\r\n\r\n", 400],
    ["a space before the colon", "GET / HTTP/1.1\r\nHost : a.example\r\n\r\n", 400],
    ["HTTP/2 without asking", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
    ["an upgrade", "GET / HTTP/1.1\r\nHost: a.example\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", 501],
    ["a head over 64 KiB", `GET / HTTP/1.1\r\nHost: a.example\r\nX: ${"x".repeat(70_000)}\r\n\r\n`, 431],
  ])(
    "refuses %s itself, in the shape of the host's refusals, and asks nobody",
    async (_name, bytes, status) => {
      const result = await rig.probe({ raw: { host: "198.18.0.9", port: 80, bytes } })
      const [head = "", body = ""] = result.body.toString().split("\r\n\r\n")
      expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
      expect(JSON.parse(body)).toMatchObject({
        error: { type: "stereo_refused", rule: expect.stringMatching(/^proxy\//) },
      })
      expect(rig.host.seen).toEqual([])
    },
  )

  it("is no server of its own: a path without a host is refused at the proxy's port", async () => {
    const bytes = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n\r\n"
    const result = await rig.probe({ raw: { host: "127.0.0.1", port: 3128, bytes } })
    expect(result.body.toString()).toMatch(/^HTTP\/1.1 400 /)
    expect(rig.host.seen).toEqual([])
  })

  it("closes what does not speak TLS on port 443, or inside a CONNECT", async () => {
    const banner = "SSH-2.0-OpenSSH_9.9\r\n"
    const direct = await rig.probe({ raw: { host: "198.18.0.9", port: 443, bytes: banner } })
    const asked = `CONNECT ${NAME}:443 HTTP/1.1\r\nHost: ${NAME}:443\r\n\r\n${banner}`
    const inside = await rig.probe({ raw: { host: "127.0.0.1", port: 3128, bytes: asked } })
    expect(direct.ended || direct.error !== null).toBe(true)
    expect(inside.body.toString("latin1")).toMatch(/^HTTP\/1.1 200 /)
    expect(rig.host.seen.map(({ headers }) => headers[":method"])).toEqual(["CONNECT"])
  })

  it.each([
    ["a name", { name: "some.example.com", type: "A" }, [expect.stringMatching(/^198\.1[89]\./)]],
    ["localhost", { name: "localhost", type: "A" }, ["127.0.0.1"]],
  ])("resolves %s", async (_name, resolve, wanted) => {
    expect((await rig.probe({ resolve })).resolved).toEqual(wanted)
    expect((await rig.probe({ resolve })).resolved).toEqual(wanted)
  })

  it.each([
    ["an IPv6 address", { name: "some.example.com", type: "AAAA" }, "ENODATA"],
    ["a name without a dot", { name: "metadata", type: "A" }, "ENOTFOUND"],
    ["text records", { name: "secret.evil.example", type: "TXT" }, "ENOTIMP"],
    ["a reverse name", { name: "8.8.8.8.in-addr.arpa", type: "PTR" }, "ENOTFOUND"],
  ])("has no answer to a question for %s", async (_name, resolve, code) => {
    expect((await rig.probe({ resolve })).error).toBe(code)
  })

  it.each([1, 2, 3])("goes on after rubbish on every port, seed %i", async (seed) => {
    const program = join(rig.lab.dir, "garbage-client.ts")
    const thrown = await rig.lab.run(GUEST_USERS.agent.uid, ["/run/node", program, String(seed), "60"])
    expect(thrown.stdout).toBe("thrown\n")
    expect(rig.capture.exitCode).toBeNull()
    rig.host.onRequest = ({ stream }) => stream.respond({ ":status": 200 }, { endStream: true })
    expect(await rig.probe({ url: `https://${NAME}/` })).toMatchObject({ status: 200, ended: true })
  })
})
