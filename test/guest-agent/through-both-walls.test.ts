import { once } from "node:events"
import { rmSync, symlinkSync } from "node:fs"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { GUEST_USERS } from "../../contract/wire.ts"
import { PLACEHOLDER } from "../fakes/host-lab.ts"
import { type FakeWebSocketServer, openWebSocketServer } from "../fakes/websocket-server.ts"
import { eventually, type Lab, openLab } from "../host-proxy/lab.ts"
import { type CaptureLab, openCaptureLab } from "./capture-lab.ts"
import { labProblem } from "./guest-lab.ts"

const problem = labProblem()

const rule = (host: string, more: string) =>
  `[[allow]]\nhost = "${host}"\n${more}\nwhy = "a host of the tests"\n`
const SET = `name = "both"
why = "what the tests of both walls ask for"
owner = "the tests"

${rule("ws.example.com", 'methods = ["GET"]\npaths = ["/chat"]\nwebsocket = true')}
${rule("ws.example.com", 'port = 80\nmethods = ["GET"]\npaths = ["/chat"]\nwebsocket = true')}
${rule("plain.example.com", 'methods = ["GET"]\npaths = ["/chat"]')}
${rule("hops.example.com", 'methods = ["GET", "POST"]\npaths = ["/hop/*"]')}
`

/** The real capture proxy in its namespace, the real host service behind it, real servers behind that. */
describe("a client in the guest, through capture proxy and host service", () => {
  let rig: CaptureLab
  let lab: Lab
  let sockets: FakeWebSocketServer
  const asked: { readonly method: string; readonly url: string; readonly body: string }[] = []
  const hops = createServer(
    (request, response) => void answerHop(request, response.writeHead.bind(response), response),
  )
  const closing = new AsyncDisposableStack()

  async function answerHop(
    request: IncomingMessage,
    head: (status: number, headers: Record<string, string>) => unknown,
    response: { end: (text?: string) => void },
  ): Promise<void> {
    let body = ""
    for await (const chunk of request) body += chunk
    const url = request.url ?? ""
    asked.push({ method: request.method ?? "", url, body })
    const to = decodeURIComponent(new URL(url, "http://x").searchParams.get("to") ?? "")
    if (to !== "") head(url.includes("307") ? 307 : 302, { location: to })
    response.end("here")
  }

  beforeAll(async () => {
    if (problem) return
    sockets = closing.use(await openWebSocketServer())
    hops.listen(0, "127.0.0.1")
    await once(hops, "listening")
    const { port } = hops.address() as AddressInfo // a TCP server's address is never a string
    const upstream = [
      ["ws.example.com", 443, sockets.url],
      ["ws.example.com", 80, sockets.url],
      ["plain.example.com", 443, sockets.url],
      ["hops.example.com", 443, `http://127.0.0.1:${port}`],
    ].map(
      ([host, at, url]) =>
        `[[upstream]]\nhost = "${host}"\nport = ${at}\nurl = "${url}"\nwhy = "a server of this test"`,
    )
    const files = { egressSets: ["both"], moreSets: { both: SET }, hostConfig: upstream.join("\n\n") }
    lab = closing.use(await openLab({ files }))
    rig = await openCaptureLab()
    await rig.host.die()
    const meeting = join(rig.lab.dir, "gateway.sock")
    rmSync(meeting, { force: true })
    symlinkSync(lab.files.machine.egressSocket, meeting)
    lab.guest[Symbol.dispose]() // the host takes few connections a machine
    await eventually(async () =>
      (await rig.probe({ url: "https://hops.example.com/hop/0" })).status === 200 ? true : null,
    )
  })
  beforeEach((context) => {
    if (problem) context.skip(problem)
    asked.length = 0
  })
  afterAll(async () => {
    await rig?.close()
    hops.close()
    await closing[Symbol.asyncDispose]()
  })

  const webSocket = async (url: string) => {
    const spec = { url, protocols: ["chat.v1", "chat.v2"], send: ["hello", "\u00e9\u{1f600}"], answers: 3 }
    const env = { NODE_EXTRA_CA_CERTS: "/run/stereo/ca/ca.crt", NODE_NO_WARNINGS: "1" }
    const argv = ["/run/node", join(rig.lab.dir, "websocket-client.ts"), JSON.stringify(spec)]
    const { stdout } = await rig.lab.run(GUEST_USERS.agent.uid, argv, "", env)
    return JSON.parse(stdout)
  }

  it.each(["wss://ws.example.com/chat", "ws://ws.example.com/chat"])(
    "opens a WebSocket with Node's own client: %s",
    async (url) => {
      const before = (await lab.rows()).length
      expect(await webSocket(url)).toEqual({
        opened: true,
        came: ["hello", "\u00e9\u{1f600}", "300000 bytes"],
        code: 4001,
        wasClean: true,
        protocol: "chat.v2",
        extensions: "",
      })
      const [row] = await eventually(async () =>
        (await lab.rows()).length > before ? (await lab.rows()).slice(before) : null,
      )
      expect(row).toMatchObject({ method: "GET", status: 101, outcome: "complete" })
      // both walls counted and digested the same bytes
      const envelope = await rig.envelopeOf(row?.claimed_exchange)
      expect(envelope).toMatchObject({
        status: 101,
        requestSha256: row?.request_sha256,
        responseSha256: row?.response_sha256,
        outcome: "complete",
      })
    },
  )

  it.each([
    ["whose rule has no websocket", "wss://plain.example.com/chat"],
    ["that no rule names", "wss://evil.example.com/chat"],
  ])("opens none to a host %s", async (_what, url) => {
    const seen = sockets.handshakes.length
    expect(await webSocket(url)).toMatchObject({ opened: false, came: [] })
    expect(sockets.handshakes).toHaveLength(seen)
    expect((await lab.rows()).at(-1)).toMatchObject({ outcome: "refused", rule: "egress/no-rule" })
  })

  it("follows a redirect itself, and each hop is decided anew", async () => {
    const hop = (to: string) => `https://hops.example.com/hop/302?to=${encodeURIComponent(to)}`
    const deep = hop("https://hops.example.com/hop/end")
    expect(await rig.probe({ url: hop(deep), follow: 5 })).toMatchObject({ status: 200 })
    expect(asked.map(({ url }) => url.slice(0, 8))).toEqual(["/hop/302", "/hop/302", "/hop/end"])
    const refused = [
      ["https://evil.example.com/", 403],
      ["https://hops.example.com/elsewhere", 403],
      ["http://hops.example.com/hop/end", 403],
      ["http://127.0.0.1:3128/", 400],
      ["http://169.254.169.254/latest/meta-data/", 403],
      ["https://10.0.0.1/", 403],
    ] as const
    for (const [to, status] of refused) {
      asked.length = 0
      const result = await rig.probe({ url: hop(to), follow: 5 })
      expect([to, result.status]).toEqual([to, status])
      expect(result.body.toString()).toContain("stereo_refused")
      expect(asked).toHaveLength(1)
    }
  })

  it("replays a body by 307 only where its new place is allowed too", async () => {
    const to = encodeURIComponent("https://evil.example.com/collect")
    const url = `https://hops.example.com/hop/307?to=${to}`
    const result = await rig.probe({ url, method: "POST", body: "the secret", follow: 5 })
    expect(result).toMatchObject({ status: 403 })
    expect(asked).toMatchObject([{ method: "POST", body: "the secret" }])
    expect((await lab.rows()).at(-1)).toMatchObject({
      authority: "evil.example.com",
      outcome: "refused",
      request_bytes: 0,
    })
  })

  it("goes in circles for as long as its client does, and no longer", async () => {
    const loop = `https://hops.example.com/hop/302?to=${encodeURIComponent("https://hops.example.com/hop/302")}`
    expect(await rig.probe({ url: loop, follow: 3 })).toMatchObject({ status: 200 })
    expect(asked).toHaveLength(2)
  })

  it("carries a placeholder to another host in vain", async () => {
    const to = encodeURIComponent("https://hops.example.com/hop/end")
    const url = `https://hops.example.com/hop/302?to=${to}`
    const result = await rig.probe({ url, headers: { "x-api-key": PLACEHOLDER }, follow: 2 })
    expect(result).toMatchObject({ status: 403, headers: { "stereo-verdict": "credential/wrong-host" } })
    expect(asked).toEqual([])
  })
})
