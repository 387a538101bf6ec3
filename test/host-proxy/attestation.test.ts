import { describe, expect, it } from "vitest"
import { hostError } from "../../contract/host-api.ts"
import { type AttestationState, attestationState, type Measured } from "../../contract/measurement.ts"
import { openReader } from "../../host-proxy/archive/open-reader.ts"
import { openGuestControl, openGuestEgress } from "../fakes/guest.ts"
import { callHost, startHost } from "../fakes/host-client.ts"
import { openHostLab } from "../fakes/host-lab.ts"
import { FAKE_MEASURED } from "../fakes/measured.ts"
import { openFakeProvider } from "../fakes/provider.ts"
import { awaitReady, beginCall, eventually, type Lab, messagesCall, openLab } from "./lab.ts"

const NO_RULES: Measured = { ...FAKE_MEASURED, ruleset: { nftables: [] }, changed: true }

async function attestationOf(files: Lab["files"]): Promise<AttestationState> {
  const answer = await callHost(files.home.hostSocket, "GET", "/machines/lab/attestation")
  return attestationState.parse(JSON.parse(answer.body))
}

async function findingsOf(files: Lab["files"]) {
  await using reader = openReader(files.home.archive)
  return ((await reader?.findings()) ?? []).map(({ kind, detail }) => ({ kind, detail }))
}

function awaitState(lab: Lab, state: AttestationState["state"]): Promise<AttestationState> {
  return eventually(async () => {
    const found = await attestationOf(lab.files)
    return found.state === state ? found : null
  })
}

async function verdictOf(lab: Lab) {
  const { status, headers } = await lab.guest.send(messagesCall())
  return { status, verdict: headers["stereo-verdict"] }
}

describe("a machine that is what its image promises", () => {
  it("is attested, says so with both digests, and its calls pass", async () => {
    await using lab = await openLab()
    const found = await attestationOf(lab.files)
    expect(found).toMatchObject({ state: "attested", rule: null, reason: null, bootId: "fake-boot" })
    expect(found.found).toEqual(found.expected)
    expect(await verdictOf(lab)).toEqual({ status: 200, verdict: undefined })
    expect(await findingsOf(lab.files)).toEqual([])
  })
})

describe("a machine that has not measured itself", () => {
  it("holds a call for a moment and then refuses it, and lets it pass once it is measured", async () => {
    await using lab = await openLab({ unmeasured: true })
    const startedAtMs = performance.now()
    expect(await verdictOf(lab)).toEqual({ status: 503, verdict: "attestation/pending" })
    expect(performance.now() - startedAtMs).toBeGreaterThan(1_500)
    expect(lab.provider.requests).toEqual([])
    const held = verdictOf(lab)
    await using _agent = await openGuestControl(lab.files.machine)
    expect(await held).toEqual({ status: 200, verdict: undefined })
  })
})

describe("a machine that is something else", () => {
  const OTHER_UNIT = {
    path: "/run/systemd/system/x.service",
    kind: "file",
    content: "1",
    mode: "0644",
  } as const
  it.each<[string, string, RegExp, Partial<Measured>]>([
    [
      "rules",
      "attestation/ruleset",
      /expected [0-9a-f]{64}, found [0-9a-f]{64}; missing: table inet stereo/,
      NO_RULES,
    ],
    [
      "what is no listing for rules",
      "attestation/ruleset",
      /found unreadable; .*no list called nftables/,
      { ruleset: 7 },
    ],
    [
      "rules that were changed back",
      "attestation/ruleset",
      /changed while the machine ran/,
      { changed: true },
    ],
    [
      "a unit more",
      "attestation/units",
      /new: \/run\/systemd\/system\/x\.service/,
      {
        units: [...FAKE_MEASURED.units, OTHER_UNIT],
      },
    ],
    [
      "another root hash",
      "attestation/root",
      /expected root hash 0{64}, found 1{64}/,
      {
        root: { ...FAKE_MEASURED.root, hash: "1".repeat(64) },
      },
    ],
    [
      "a root that may be written",
      "attestation/root",
      /\/ is "erofs \/dev\/mapper\/root rw"/,
      {
        root: { ...FAKE_MEASURED.root, mount: "erofs /dev/mapper/root rw" },
      },
    ],
    [
      "a mount over /usr",
      "attestation/root",
      /mounted over a part of it: \["\/usr\/bin"\]/,
      {
        root: { ...FAKE_MEASURED.root, covered: ["/etc/machine-id", "/usr/bin"] },
      },
    ],
  ])(
    "by %s does not become ready, lets nothing out, and says what differs",
    async (_what, rule, reason, more) => {
      const measured = { ...FAKE_MEASURED, ...more }
      await using provider = await openFakeProvider()
      using files = openHostLab({ upstream: provider.url })
      await using _agent = await openGuestControl(files.machine, measured)
      await using _host = await startHost(files)
      const ready = await callHost(files.home.hostSocket, "GET", "/machines/lab/ready?timeout_ms=10000")
      expect(ready.status).toBe(409)
      const { error } = hostError.parse(JSON.parse(ready.body))
      expect(error).toMatchObject({ code: "host/not-attested", message: expect.stringMatching(reason) })
      using guest = await openGuestEgress(files.machine.egressSocket)
      const answer = await guest.send(messagesCall())
      expect([answer.status, answer.headers["stereo-verdict"]]).toEqual([403, rule])
      expect(answer.body.toString()).toMatch(/stereo ls/)
      expect(provider.requests).toEqual([])
      expect(await findingsOf(files)).toEqual([{ kind: rule, detail: expect.stringMatching(reason) }])
    },
  )

  it("can still be looked into: exec and down wait for its agent alone", async () => {
    await using lab = await openLab()
    lab.control.tell(NO_RULES)
    await awaitState(lab, "refused")
    const { hostSocket } = lab.files.home
    const agent = await callHost(hostSocket, "GET", "/machines/lab/agent?timeout_ms=5000")
    expect(agent.status).toBe(200)
    expect((await callHost(hostSocket, "POST", "/machines/lab/control/echo", "x")).body).toBe("x")
    expect((await callHost(hostSocket, "GET", "/machines/lab/ready?timeout_ms=5000")).status).toBe(409)
  })
})

describe("a packet filter that is changed while the machine runs", () => {
  it("cuts the call under way, at the mere announcement, and is recorded with what it became", async () => {
    await using lab = await openLab()
    const { answer } = await beginCall(lab)
    lab.control.tell({ kind: "changing" })
    expect((await answer).complete).toBe(false)
    expect(await verdictOf(lab)).toEqual({ status: 403, verdict: "attestation/ruleset" })
    lab.control.tell(NO_RULES)
    const found = await eventually(async () => {
      const state = await attestationOf(lab.files)
      return state.reason?.includes("missing") ? state : null
    })
    expect(found).toMatchObject({ state: "refused", rule: "attestation/ruleset" })
    // the refused call may be written first, and be read before the other is
    const cut = await eventually(async () => {
      return (await lab.rows()).find(({ outcome }) => outcome !== "refused") ?? null
    })
    expect(cut).toMatchObject({
      outcome: "interrupted",
      upstream_error: expect.stringContaining("attestation/ruleset: the packet filter was changed"),
    })
  })

  it("stays closed when it is changed back, and is recorded once, with what it became", async () => {
    await using lab = await openLab()
    lab.control.tell({ kind: "changing" })
    lab.control.tell(NO_RULES)
    for (let again = 0; again < 5; again += 1) {
      lab.control.tell({ kind: "changing" })
      lab.control.tell(FAKE_MEASURED)
    }
    await awaitState(lab, "refused")
    expect(await verdictOf(lab)).toEqual({ status: 403, verdict: "attestation/ruleset" })
    const details = (await findingsOf(lab.files)).map(({ detail }) => detail)
    expect(details).toEqual([
      "the packet filter was changed while the machine ran",
      expect.stringMatching(/missing: table inet stereo/),
    ])
  })

  it("stays closed over a restart of the host service, and of the guest agent", async () => {
    await using provider = await openFakeProvider()
    using files = openHostLab({ upstream: provider.url })
    await using agent = await openGuestControl(files.machine)
    for (const round of ["changed", "service restarted", "agent restarted"]) {
      await using _host = await startHost(files)
      if (round === "changed") {
        await awaitReady(files)
        agent.tell(NO_RULES)
      }
      if (round === "agent restarted") agent.restart()
      await eventually(async () => ((await attestationOf(files)).state === "refused" ? true : null))
      using guest = await openGuestEgress(files.machine.egressSocket)
      const answer = await guest.send(messagesCall())
      expect(answer.headers["stereo-verdict"], round).toBe("attestation/ruleset")
    }
    expect(provider.requests).toEqual([])
    expect(await findingsOf(files)).toHaveLength(1)
  })
})

describe("a wire that is taken up anew", () => {
  it("after a restart of the host service holds calls until the machine is measured, and lets them pass", async () => {
    await using provider = await openFakeProvider()
    using files = openHostLab({ upstream: provider.url })
    await using _agent = await openGuestControl(files.machine)
    for (let start = 0; start < 2; start += 1) {
      await using _host = await startHost(files)
      using guest = await openGuestEgress(files.machine.egressSocket)
      expect((await guest.send(messagesCall())).status).toBe(200)
    }
  })

  it("by a guest agent that has restarted is measured anew before anything passes", async () => {
    await using lab = await openLab()
    lab.control.become(NO_RULES)
    lab.control.restart()
    lab.control.dropConnections()
    await awaitState(lab, "refused")
    expect(await verdictOf(lab)).toEqual({ status: 403, verdict: "attestation/ruleset" })
  })

  it("by a kernel that has booted anew is closed: a run has one boot", async () => {
    await using lab = await openLab()
    lab.control.tell({ ...FAKE_MEASURED, bootId: "another-boot" })
    expect(await awaitState(lab, "refused")).toMatchObject({
      rule: "attestation/boot",
      reason: expect.stringContaining('"fake-boot" became "another-boot"'),
    })
  })

  it("by an agent that cannot see changes is closed until it can, and the record says so", async () => {
    await using lab = await openLab()
    lab.control.tell({ kind: "unwatched", reason: "nft monitor ended\u001b[2J" })
    const pending = await awaitState(lab, "pending")
    expect(pending.reason).toBe("the guest cannot see changes: nft monitor ended?[2J")
    const held = verdictOf(lab)
    lab.control.tell(FAKE_MEASURED)
    expect(await held).toEqual({ status: 200, verdict: undefined })
    expect(await findingsOf(lab.files)).toMatchObject([{ kind: "attestation/unwatched" }])
  })
})
