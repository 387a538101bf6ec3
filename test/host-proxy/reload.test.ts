import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { openHostClient } from "../../machine/host-client.ts"
import { beginCall, eventually, type Lab, messagesCall, openLab } from "./lab.ts"

const signal = AbortSignal.timeout(60_000)

function setOf(paths: string): string {
  return [
    'name = "narrow"\nwhy = "a set for the tests of reloading"\nowner = "the tests"',
    '[[allow]]\nhost = "api.anthropic.com"\nmethods = ["POST"]',
    `paths = [${paths}]\nwhy = "models are called here"\n`,
  ].join("\n")
}

const OPEN = setOf('"/v1/messages"')
const SHUT = setOf('"/v1/other"')
const FILES = { egressSets: ["narrow"], moreSets: { narrow: OPEN } }

function rewrite(lab: Lab, text: string | null): void {
  const file = join(lab.files.policiesDir, "egress", "narrow.toml")
  if (text === null) rmSync(file)
  else writeFileSync(file, text)
}

describe("a policy that is read anew", () => {
  it("and is tighter ends what is under way and refuses what comes, and the record says why", async () => {
    await using lab = await openLab({ files: FILES })
    using host = openHostClient(lab.files.home.hostSocket)
    const { answer } = await beginCall(lab)
    rewrite(lab, SHUT)
    const report = await host.reload("lab", null, signal)
    expect(report).toMatchObject({ cutCalls: 1, policy: { kind: "rules", sets: ["narrow"] } })
    expect(report.opened.map((grant) => grant.paths)).toEqual([["/v1/other"]])
    expect(report.closed.map((grant) => grant.paths)).toEqual([["/v1/messages"]])
    expect((await answer).complete).toBe(false)
    expect((await lab.guest.send(messagesCall())).headers["stereo-verdict"]).toBe("egress/no-rule")
    const [cut] = await eventually(async () => ((await lab.rows()).length > 1 ? await lab.rows() : null))
    expect(cut).toMatchObject({ outcome: "interrupted", rule: "egress/narrow#1" })
    expect(cut?.upstream_error).toContain("egress/no-rule")
  })

  it("and still allows it leaves a call under way alone", async () => {
    await using lab = await openLab({ files: FILES })
    using host = openHostClient(lab.files.home.hostSocket)
    const { answer } = await beginCall(lab)
    rewrite(lab, OPEN.replace('"/v1/messages"', '"/v1/*"'))
    expect(await host.reload("lab", null, signal)).toMatchObject({ cutCalls: 0 })
    expect(await host.reload("lab", null, signal)).toMatchObject({ cutCalls: 0, opened: [], closed: [] })
    const left = new Promise((resolve) => setTimeout(resolve, 200, "under way"))
    expect(await Promise.race([left, answer])).toBe("under way")
  })

  it.each([
    ["is broken", "allow = 1\n", "egress/set-broken"],
    ["is gone", null, "egress/set-unknown"],
  ])("and %s lets nothing out, until it is whole again", async (_case, text, rule) => {
    await using lab = await openLab({ files: FILES })
    using host = openHostClient(lab.files.home.hostSocket)
    const { answer } = await beginCall(lab)
    rewrite(lab, text)
    expect(await host.reload("lab", null, signal)).toMatchObject({
      cutCalls: 1,
      policy: { kind: "broken", rule, reason: expect.stringContaining("narrow") },
    })
    expect((await answer).complete).toBe(false)
    expect((await lab.guest.send(messagesCall())).headers["stereo-verdict"]).toBe(rule)
    expect((await host.egress("lab", signal)).policy).toMatchObject({ kind: "broken", rule })
    rewrite(lab, OPEN)
    await host.reload("lab", null, signal)
    expect((await lab.guest.send(messagesCall())).status).toBe(200)
  })
})

describe("the policy in force", () => {
  it("can be asked for, with where each grant stands", async () => {
    await using lab = await openLab({ files: FILES })
    using host = openHostClient(lab.files.home.hostSocket)
    expect(await host.egress("lab", signal)).toMatchObject({
      mode: "enforce",
      liveRules: [],
      policy: {
        kind: "rules",
        grants: [{ id: "egress/narrow#1", source: { file: "policies/egress/narrow.toml", line: 4 } }],
      },
    })
  })

  it("is not there for a machine that nobody serves", async () => {
    await using lab = await openLab({ files: FILES })
    using host = openHostClient(lab.files.home.hostSocket)
    await expect(host.egress("nobody", signal)).rejects.toMatchObject({ code: "host/no-machine" })
  })
})
