import { readFileSync, statSync, writeFileSync } from "node:fs"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { newIdentifier } from "../../contract/identifier.ts"
import { openReader } from "../../host-proxy/archive/open-reader.ts"
import { type HostClient, openHostClient } from "../../machine/host-client.ts"
import { type GuestAnswer, openGuestControl, openGuestEgress } from "../fakes/guest.ts"
import { startHost } from "../fakes/host-client.ts"
import { openHostLab } from "../fakes/host-lab.ts"
import { type FakeProvider, openFakeProvider } from "../fakes/provider.ts"
import { awaitReady, beginCall, eventually, type Lab, messagesCall, openLab } from "./lab.ts"

const HOST = "files.example.com"
const WHY = "the agent needs a file in this test"
const signal = AbortSignal.timeout(120_000)
const read = { method: "GET", authority: HOST, path: "/data?v=1" }

let elsewhere: FakeProvider
let hostConfig: string
beforeEach(async () => {
  elsewhere = await openFakeProvider()
  const upstream = `[[upstream]]\nhost = "${HOST}"\nurl = "${elsewhere.url}"\nwhy = "a fake for this test"\n`
  hostConfig = `${upstream}\n${upstream}port = 8443\n`
})
afterEach(() => elsewhere[Symbol.asyncDispose]())

async function openLive() {
  const lab = await openLab({ files: { hostConfig } })
  const host = openHostClient(lab.files.home.hostSocket)
  const end = async () => {
    host[Symbol.dispose]()
    await lab[Symbol.asyncDispose]()
  }
  return { lab, host, [Symbol.asyncDispose]: end }
}

function verdictOf(answer: GuestAnswer): unknown {
  return answer.headers["stereo-verdict"]
}

async function auditOf(files: Lab["files"]) {
  await using reader = openReader(files.home.archive)
  return (await reader?.audit()) ?? []
}

function allow(host: HostClient, more: object = {}) {
  return host.changeEgress("lab", "allow", { host: HOST, why: WHY, ...more }, signal)
}

function deny(host: HostClient, more: object = {}) {
  return host.changeEgress("lab", "deny", { host: HOST, why: WHY, ...more }, signal)
}

describe("a host that is allowed while the machine runs", () => {
  it("can be read from, and not written to, and the audit record says who opened what and why", async () => {
    await using live = await openLive()
    const { lab, host } = live
    expect(verdictOf(await lab.guest.send(read))).toBe("egress/no-rule")
    const made = await allow(host, { owner: "the tests", claimedUser: "alice", forSeconds: 3600 })
    expect(made).toMatchObject({
      deniedBy: null,
      rule: {
        kind: "allow",
        grant: { id: "live/1", methods: ["GET", "HEAD"], paths: ["/**"], query: "any" },
      },
    })
    await lab.guest.send(read)
    expect(elsewhere.requests).toMatchObject([{ method: "GET", path: "/data?v=1" }])
    expect(verdictOf(await lab.guest.send({ ...read, method: "POST", body: "x" }))).toBe("egress/no-rule")
    expect((await lab.rows()).map((row) => row.rule)).toEqual(["egress/no-rule", "live/1", "egress/no-rule"])
    expect(await auditOf(lab.files)).toMatchObject([
      {
        ...{ action: "allow", machine: "lab", run_id: lab.files.record.runId, uid: process.getuid?.() },
        ...{ claimed_user: "alice", why: WHY, for_seconds: 3600, rule_id: "live/1" },
        detail: expect.stringContaining(`GET, HEAD https://${HOST}:443 /** with any query, until 20`),
      },
    ])
  })

  it("is open only for what was asked: methods, paths, port", async () => {
    await using live = await openLive()
    await allow(live.host, { methods: ["POST"], paths: ["/v1/*"], port: 8443 })
    const post = { method: "POST", authority: `${HOST}:8443`, path: "/v1/x", body: "x" }
    expect(verdictOf(await live.lab.guest.send({ ...post, path: "/v2/x" }))).toBe("egress/no-rule")
    expect(verdictOf(await live.lab.guest.send({ ...post, authority: HOST }))).toBe("egress/no-rule")
    expect(verdictOf(await live.lab.guest.send({ ...post, method: "PUT" }))).toBe("egress/no-rule")
    await live.lab.guest.send(post)
    expect(elsewhere.requests).toHaveLength(1)
  })

  it.each([
    "*",
    "*.com",
    "*.github.io",
    "10.0.0.1",
    "Files.Example.com",
    "example.com.",
    "localhost",
    "a b.example.com",
    "2130706433",
  ])("is not %s: what a set may not open, nobody opens by hand", async (name) => {
    await using live = await openLive()
    await expect(allow(live.host, { host: name })).rejects.toMatchObject({
      code: "egress/bad-rule",
      message: expect.stringMatching(/^host: /),
    })
    expect(await auditOf(live.lab.files)).toEqual([])
  })

  it.each([
    [{ why: "short" }, "host/bad-request", /why/],
    [{ methods: ["CONNECT"] }, "egress/bad-rule", /methods/],
    [{ paths: ["no-slash"] }, "egress/bad-rule", /paths/],
    [{ port: 0 }, "egress/bad-rule", /port/],
    [{ forSeconds: 999_999_999 }, "host/bad-request", /forSeconds/],
    [{ surprise: 1 }, "host/bad-request", /surprise/],
  ])("is not opened by a request with %o", async (more, code, message) => {
    await using live = await openLive()
    await expect(allow(live.host, more)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
  })

  it("is closed when its time is over, calls under way included, and that is on record too", async () => {
    await using live = await openLive()
    const { lab, host } = live
    await host.changeEgress(
      "lab",
      "allow",
      { host: "api.anthropic.com", methods: ["POST"], paths: ["/v1/messages"], why: WHY, forSeconds: 1 },
      signal,
    )
    // the grant of the set goes: only the live one is left to allow the call
    writeFileSync(
      `${lab.files.policiesDir}/egress/anthropic.toml`,
      'name = "anthropic"\nwhy = "nothing in this test"\nowner = "the tests"\n',
    )
    await host.reload("lab", null, signal)
    const { answer } = await beginCall(lab)
    expect((await answer).complete).toBe(false)
    expect(verdictOf(await lab.guest.send(messagesCall()))).toBe("egress/no-rule")
    expect((await host.egress("lab", signal)).liveRules).toEqual([])
    const audit = await eventually(async () => {
      const rows = await auditOf(lab.files)
      return rows.length > 2 ? rows : null
    })
    expect(audit.map((row) => row.action)).toEqual(["allow", "reload", "expired"])
  })
})

describe("a host that is denied while the machine runs", () => {
  it("is closed whatever allows it, and what is under way to it ends", async () => {
    await using live = await openLive()
    const { lab, host } = live
    const { answer } = await beginCall(lab)
    const made = await deny(host, { host: "api.anthropic.com", owner: "security" })
    expect(made).toMatchObject({ cutCalls: 1, rule: { kind: "deny", denial: { host: "api.anthropic.com" } } })
    expect((await answer).complete).toBe(false)
    const refused = await lab.guest.send(messagesCall())
    expect(verdictOf(refused)).toBe("live/1")
    expect(refused.body.toString()).toContain("security")
    const [cut] = await eventually(async () => ((await lab.rows()).length > 1 ? await lab.rows() : null))
    expect(cut).toMatchObject({ outcome: "interrupted", upstream_error: expect.stringContaining("live/1") })
  })

  it("stays closed for a rule that allows it, whose maker is told so; revoked, it opens", async () => {
    await using live = await openLive()
    const { lab, host } = live
    await deny(host)
    expect(await allow(host)).toMatchObject({ deniedBy: "live/1", rule: { grant: { id: "live/2" } } })
    expect(verdictOf(await lab.guest.send(read))).toBe("live/1")
    await host.revokeEgress("lab", { id: "live/1", why: "it was a mistake" }, signal)
    await lab.guest.send(read)
    expect(elsewhere.requests).toHaveLength(1)
    await host.revokeEgress("lab", { id: "live/2" }, signal)
    expect(verdictOf(await lab.guest.send(read))).toBe("egress/no-rule")
    await expect(host.revokeEgress("lab", { id: "live/2" }, signal)).rejects.toMatchObject({
      code: "egress/unknown-rule",
    })
    // a number is never given twice
    expect(await allow(host)).toMatchObject({ rule: { grant: { id: "live/3" } } })
    expect((await auditOf(lab.files)).map((row) => `${row.action} ${row.rule_id}`)).toEqual([
      ...["deny live/1", "allow live/2", "revoke live/1", "revoke live/2", "allow live/3"],
    ])
  })
})

describe("live rules", () => {
  it("are kept beside the record, for their user alone, and survive a restart of the service", async () => {
    await using provider = await openFakeProvider()
    using files = openHostLab({ upstream: provider.url, hostConfig })
    await using _control = await openGuestControl(files.machine)
    {
      await using _host = await startHost(files)
      using client = openHostClient(files.home.hostSocket)
      await client.attach("lab", signal)
      await allow(client)
      await deny(client, { host: "api.anthropic.com" })
      expect(statSync(files.machine.liveRules).mode & 0o777).toBe(0o600)
      expect(files.machine.liveRules.startsWith(files.machine.vm)).toBe(false)
    }
    await using _again = await startHost(files)
    await awaitReady(files)
    using guest = await openGuestEgress(files.machine.egressSocket)
    await guest.send(read)
    expect(elsewhere.requests).toHaveLength(1)
    expect(verdictOf(await guest.send(messagesCall()))).toBe("live/2")
  })

  it("end with the run", async () => {
    await using provider = await openFakeProvider()
    using files = openHostLab({ upstream: provider.url, hostConfig })
    await using _control = await openGuestControl(files.machine)
    await using _host = await startHost(files)
    using client = openHostClient(files.home.hostSocket)
    await client.attach("lab", signal)
    await allow(client)
    const runId = newIdentifier(Date.now())
    writeFileSync(files.machine.record, JSON.stringify({ ...files.record, runId }))
    await client.attach("lab", signal)
    expect((await client.egress("lab", signal)).liveRules).toEqual([])
    await awaitReady(files)
    using guest = await openGuestEgress(files.machine.egressSocket)
    expect(verdictOf(await guest.send(read))).toBe("egress/no-rule")
    expect(await auditOf(files)).toMatchObject([
      { action: "allow" },
      { action: "run-ended", rule_id: "live/1", run_id: files.record.runId },
    ])
    expect(JSON.parse(readFileSync(files.machine.liveRules, "utf8"))).toMatchObject({ runId, rules: [] })
  })

  it("that cannot be read close the machine: a denial may be among them", async () => {
    await using provider = await openFakeProvider()
    using files = openHostLab({ upstream: provider.url, hostConfig })
    writeFileSync(files.machine.liveRules, '{"schema": 1, "rules": ')
    await using _control = await openGuestControl(files.machine)
    await using _host = await startHost(files)
    await awaitReady(files)
    using client = openHostClient(files.home.hostSocket)
    using guest = await openGuestEgress(files.machine.egressSocket)
    expect(verdictOf(await guest.send(messagesCall()))).toBe("egress/live-rules-broken")
    await expect(allow(client)).rejects.toMatchObject({ code: "egress/live-rules-broken" })
    writeFileSync(files.machine.liveRules, "")
    expect(await client.reload("lab", null, signal)).toMatchObject({ policy: { kind: "broken" } })
  })

  it("change nothing when they cannot be recorded", async () => {
    await using live = await openLive()
    const { DatabaseSync } = await import("node:sqlite")
    const other = new DatabaseSync(`${live.lab.files.home.archive}/archive.db`)
    other.exec("create trigger no_more before insert on audit begin select raise(abort, 'disk on fire'); end")
    other.close()
    await expect(allow(live.host)).rejects.toThrow("disk on fire")
    expect((await live.host.egress("lab", signal)).liveRules).toEqual([])
    expect(verdictOf(await live.lab.guest.send(read))).toBe("egress/no-rule")
  })

  it("are at most 256", async () => {
    await using live = await openLive()
    for (let count = 0; count < 256; count += 1) await allow(live.host)
    await expect(allow(live.host)).rejects.toMatchObject({ code: "egress/too-many-rules" })
  })
})
