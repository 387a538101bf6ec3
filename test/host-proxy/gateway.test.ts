import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "vitest"
import { openGuestEgress } from "../fakes/guest.ts"
import { callHost, startHost } from "../fakes/host-client.ts"
import { openHostLab, PLACEHOLDER, REAL_KEY } from "../fakes/host-lab.ts"
import { openFakeProvider } from "../fakes/provider.ts"
import { openLab } from "./lab.ts"

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
})
