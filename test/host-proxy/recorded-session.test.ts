import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { openReader } from "../../host-proxy/archive/open-reader.ts"
import { formatUsd } from "../../host-proxy/cost/format-usd.ts"
import { readPrices } from "../../host-proxy/cost/read-prices.ts"
import { groupCosts } from "../../host-proxy/group-costs.ts"
import { readLedger } from "../../host-proxy/read-ledger.ts"
import { readSessionSteps } from "../../host-proxy/read-session-steps.ts"
import { readSessions } from "../../host-proxy/read-sessions.ts"
import { openGuestControl, openGuestEgress } from "../fakes/guest.ts"
import { callHost, startHost } from "../fakes/host-client.ts"
import { type HostLab, openHostLab, PLACEHOLDER } from "../fakes/host-lab.ts"
import { openFakeProvider } from "../fakes/provider.ts"
import { type Replay, readReplays } from "../fakes/replay.ts"
import { projectDir } from "../rules/sources.ts"

const FIXTURE = join(projectDir, "..", "shared", "fixtures", "claude-code-session")

async function replayAll(lab: HostLab, replays: readonly Replay[]) {
  using guest = await openGuestEgress(lab.machine.egressSocket)
  const answers = []
  for (const replay of replays) {
    const kept = replay.requestHeaders.filter(([name]) => !["authorization", "content-length"].includes(name))
    const headers = { ...Object.fromEntries(kept), authorization: `Bearer ${PLACEHOLDER}` }
    const path = "/v1/messages?beta=true"
    answers.push(
      await guest.send({ authority: "api.anthropic.com", path, headers, body: replay.requestBody }),
    )
  }
  return answers
}

async function readAll(lab: HostLab) {
  const reader = openReader(lab.home.archive)
  if (!reader) throw new Error("nothing was archived")
  const ledger = await readLedger(reader, await readPrices(join(lab.policiesDir, "prices")), Date.now())
  return { reader, ledger, [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose]() }
}

describe("the recorded Claude Code session", () => {
  it("is archived byte for byte and costs 0.41544255 USD exactly", async (context) => {
    if (!existsSync(FIXTURE)) context.skip(`the recorded session is not at ${FIXTURE}`)
    const replays = readReplays(FIXTURE)
    await using provider = await openFakeProvider({ replays })
    using lab = openHostLab({ upstream: provider.url })
    await using _agent = await openGuestControl(lab.machine)
    await using _host = await startHost(lab)
    await callHost(lab.home.hostSocket, "POST", "/machines/lab/attach")
    const answers = await replayAll(lab, replays)
    expect(answers.map((one) => one.sha256)).toEqual(replays.map((one) => one.responseSha256))
    await using records = await readAll(lab)
    const rows = await records.reader.exchanges()
    expect(rows.map((row) => row.request_sha256)).toEqual(replays.map((one) => one.requestSha256))
    expect(rows.map((row) => row.response_sha256)).toEqual(replays.map((one) => one.responseSha256))
    const [group] = groupCosts(records.ledger, ["model"])
    expect(group).toEqual({
      keys: { model: "claude-sonnet-4-6" },
      calls: 10,
      buckets: { input: 540, cacheRead: 251_946, cacheWrite5m: 20_129, cacheWrite1h: 37_870, output: 2_369 },
      costNanoUsd: 415_442_550n,
      unpriced: 0,
      unpricedReasons: [],
      estimated: 0,
    })
    expect(formatUsd(group?.costNanoUsd ?? 0n)).toBe("0.41544255")
  })

  it("is one session whose turns name their tools and results", async (context) => {
    if (!existsSync(FIXTURE)) context.skip(`the recorded session is not at ${FIXTURE}`)
    const replays = readReplays(FIXTURE)
    await using provider = await openFakeProvider({ replays })
    using lab = openHostLab({ upstream: provider.url })
    await using _agent = await openGuestControl(lab.machine)
    await using _host = await startHost(lab)
    await callHost(lab.home.hostSocket, "POST", "/machines/lab/attach")
    await replayAll(lab, replays)
    await using records = await readAll(lab)
    const sessions = await readSessions(records.reader, records.ledger)
    expect(sessions).toHaveLength(1)
    expect(sessions[0]).toMatchObject({ turns: 10, refusals: 0, cut: 0, team: "research", unpriced: 0 })
    expect(sessions[0]?.id).toBe(`${lab.record.runId}.ac9b5a71-50d4-47c2-b771-4d5c3e96d899`)
    const steps = await readSessionSteps(records.reader, records.ledger, sessions[0]?.id ?? "")
    const calls = steps
      .flatMap((step) => step.turn?.blocks ?? [])
      .filter((block) => block.kind === "tool-call")
    const results = steps.flatMap((step) => step.question?.toolResults ?? [])
    expect(calls).toHaveLength(16)
    expect(results).toHaveLength(14)
    expect(steps.every((step) => step.turn?.finished)).toBe(true)
  })
})
