import { describe, expect, it } from "vitest"
import { attestationState, type Measured } from "../../contract/measurement.ts"
import { openReader } from "../../host-proxy/archive/open-reader.ts"
import { openGuestControl, openGuestEgress } from "../fakes/guest.ts"
import { callHost, startHost } from "../fakes/host-client.ts"
import { openHostLab } from "../fakes/host-lab.ts"
import { FAKE_MEASURED } from "../fakes/measured.ts"
import { openFakeProvider } from "../fakes/provider.ts"
import { beginCall, eventually, type Lab, messagesCall, openLab } from "./lab.ts"

const FLUSHED: Measured = { ...FAKE_MEASURED, ruleset: { nftables: [] } }
const DROPPED: Measured = {
  ...FAKE_MEASURED,
  units: [
    ...FAKE_MEASURED.units,
    { path: "/run/systemd/system/evil.service", kind: "file", content: "1".repeat(64), mode: "0644" },
  ],
}

async function stateOf(lab: Pick<Lab, "files">) {
  const { body } = await callHost(lab.files.home.hostSocket, "GET", "/machines/lab/attestation")
  return attestationState.parse(JSON.parse(body))
}

async function verdict(lab: Lab): Promise<string> {
  const { status, headers } = await lab.guest.send(messagesCall())
  return `${status} ${headers["stereo-verdict"] ?? "allowed"}`
}

async function findings(lab: Pick<Lab, "files">): Promise<readonly string[]> {
  await using reader = openReader(lab.files.home.archive)
  return ((await reader?.findings()) ?? []).map(({ kind }) => kind)
}

/** A machine whose guest says from the beginning that it is something else. */
async function readyOf(measured: Measured) {
  await using provider = await openFakeProvider()
  using files = openHostLab({ upstream: provider.url })
  await using _agent = await openGuestControl(files.machine, measured)
  await using _host = await startHost(files)
  await callHost(files.home.hostSocket, "POST", "/machines/lab/attach")
  const ready = await callHost(files.home.hostSocket, "GET", "/machines/lab/ready?timeout_ms=10000")
  using guest = await openGuestEgress(files.machine.egressSocket)
  const { status, headers } = await guest.send(messagesCall())
  expect(provider.requests).toEqual([])
  return { ready, verdict: `${status} ${headers["stereo-verdict"]}` }
}

describe("a machine that is not what its manifest promised", () => {
  it.each([
    ["another packet filter", FLUSHED, "attestation/ruleset", "missing: table inet stereo"],
    ["a unit too many", DROPPED, "attestation/units", "new: /run/systemd/system/evil.service"],
    [
      "another root",
      { ...FAKE_MEASURED, root: { ...FAKE_MEASURED.root, hash: "f".repeat(64) } },
      "attestation/root",
      `found ${"f".repeat(64)}`,
    ],
    [
      "a root that is no dm-verity device",
      { ...FAKE_MEASURED, root: { ...FAKE_MEASURED.root, device: "" } },
      "attestation/root",
      "under / lies",
    ],
    [
      "a folder mounted over the image",
      { ...FAKE_MEASURED, root: { ...FAKE_MEASURED.root, covered: ["/usr/bin"] } },
      "attestation/root",
      "/usr/bin",
    ],
    [
      "what is no listing at all",
      { ...FAKE_MEASURED, ruleset: "nothing to see" },
      "attestation/ruleset",
      "no listing",
    ],
  ])("with %s does not become ready, and nothing leaves it", async (_what, measured, rule, words) => {
    const { ready, verdict } = await readyOf(measured)
    expect(ready.status).toBe(409)
    expect(JSON.parse(ready.body).error).toMatchObject({ code: "host/not-attested" })
    expect(ready.body).toContain(rule)
    expect(ready.body).toContain(words)
    expect(verdict).toBe(`403 ${rule}`)
  })
})

describe("a machine that has not measured itself", () => {
  it("is refused after a moment, in which a measurement lets the call pass", async () => {
    await using lab = await openLab({ unmeasured: true })
    const beganAt = performance.now()
    expect(await verdict(lab)).toBe("503 attestation/pending")
    expect(performance.now() - beganAt).toBeGreaterThan(1_500)
    expect(lab.provider.requests).toEqual([])
    const held = verdict(lab)
    await using _agent = await openGuestControl(lab.files.machine)
    expect(await held).toBe("200 allowed")
    expect(await stateOf(lab)).toMatchObject({ state: "attested", rule: null, bootId: "fake-boot" })
  })
})

describe("a machine that changes while it runs", () => {
  it("loses its wire at the announcement: what is under way is cut, and what comes is refused", async () => {
    await using lab = await openLab()
    const { answer } = await beginCall(lab)
    lab.control.tell({ kind: "changing" })
    expect((await answer).complete).toBe(false)
    expect(await verdict(lab)).toBe("403 attestation/ruleset")
    const rows = await eventually(async () => ((await lab.rows()).length === 2 ? await lab.rows() : null))
    expect(rows[0]).toMatchObject({ outcome: "interrupted" })
    expect(rows[0]?.upstream_error).toContain("attestation/ruleset")
    lab.control.tell(FLUSHED)
    await eventually(async () => ((await stateOf(lab)).reason?.includes("missing: table") ? true : null))
    expect(await findings(lab)).toContain("attestation/ruleset")
  })

  it("stays closed when the rules are as they were, also over a restart of the service", async () => {
    await using provider = await openFakeProvider()
    using files = openHostLab({ upstream: provider.url })
    await using agent = await openGuestControl(files.machine)
    for (const restart of [false, true]) {
      await using _host = await startHost(files)
      await eventually(async () => ((await stateOf({ files })).state !== "pending" ? true : null))
      if (!restart) {
        agent.tell({ kind: "changing" })
        agent.tell(FAKE_MEASURED)
      }
      await eventually(async () => ((await stateOf({ files })).state === "refused" ? true : null))
      using guest = await openGuestEgress(files.machine.egressSocket)
      expect((await guest.send(messagesCall())).headers["stereo-verdict"]).toBe("attestation/ruleset")
    }
    expect(provider.requests).toEqual([])
  })

  it("is refused when a unit appears", async () => {
    await using lab = await openLab()
    lab.control.tell(DROPPED)
    await eventually(async () => ((await verdict(lab)) === "403 attestation/units" ? true : null))
  })

  it("that cannot see changes passes nothing until it has measured itself again", async () => {
    await using lab = await openLab()
    lab.control.tell({ kind: "unwatched", reason: "nft monitor ended" })
    await eventually(async () => ((await stateOf(lab)).state === "pending" ? true : null))
    expect(await verdict(lab)).toBe("503 attestation/pending")
    lab.control.tell(FAKE_MEASURED)
    await eventually(async () => ((await verdict(lab)) === "200 allowed" ? true : null))
    expect(await findings(lab)).toContain("attestation/unwatched")
  })

  it("whose agent restarts is measured anew, and then judged by that", async () => {
    await using lab = await openLab()
    lab.control.restart()
    lab.control.become(FLUSHED)
    lab.control.dropConnections()
    await eventually(async () => ((await stateOf(lab)).state === "refused" ? true : null))
    expect(await verdict(lab)).toBe("403 attestation/ruleset")
  })
})
