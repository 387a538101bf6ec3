import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { CliContext } from "../../cli/context.ts"
import { resolveTarget } from "../../cli/egress/resolve-target.ts"
import { terminalProgress } from "../../cli/progress.ts"
import type { Home } from "../../contract/home.ts"
import { openHostClient } from "../../machine/host-client.ts"
import { showEgress } from "../../review/show-egress.ts"
import { openLab } from "../host-proxy/lab.ts"
import { projectDir } from "../rules/sources.ts"

const SET = `name = "narrow"
why = "a set for the tests of machines"
owner = "the tests"

[[allow]]
host = "api.anthropic.com"
methods = ["POST"]
paths = ["/v1/messages"]
why = "models are called here"
`

function context(home: Home): CliContext {
  return {
    ...{ home, projectDir, environment: {}, signal: AbortSignal.timeout(60_000), now: Date.now },
    progress: terminalProgress(process.stderr, process.env, Date.now),
    print: () => undefined,
    exitWith: () => undefined,
  }
}

describe("a machine as a target", () => {
  it("shows what the host service has in force, not what the folder holds by now", async () => {
    await using lab = await openLab({ files: { egressSets: ["narrow"], moreSets: { narrow: SET } } })
    writeFileSync(join(lab.files.policiesDir, "egress", "narrow.toml"), SET.replace("messages", "files"))
    const view = await resolveTarget(context(lab.files.home), "lab")
    expect(view).toMatchObject({ kind: "machine", policy: { grants: [{ paths: ["/v1/messages"] }] } })
    expect(view.readFrom).toMatch(
      /^the host service, which has it in force for the running machine lab since /,
    )
  })

  it("shows what was made by hand, with its last day", async () => {
    await using lab = await openLab({ files: { egressSets: [] } })
    using host = openHostClient(lab.files.home.hostSocket)
    const signal = AbortSignal.timeout(60_000)
    const wish = { host: "files.example.com", why: "the agent needs a file in this test", forSeconds: 3600 }
    const { rule } = await host.changeEgress("lab", "allow", wish, signal)
    await host.changeEgress("lab", "deny", { ...wish, host: "other.example.com" }, signal)
    const view = await resolveTarget(context(lab.files.home), "lab")
    const expires = rule.until?.slice(0, 10)
    expect(view).toMatchObject({ policy: { grants: [{ id: "live/1", expires }] }, endingDenials: ["live/2"] })
    expect(view.notes.join("\n")).toMatch(/made by hand: opens .*files\.example\.com.*until/)
    expect(JSON.parse(showEgress(view, "sarif", expires ?? "")).runs[0].results[0].locations).toEqual([
      { logicalLocations: [{ fullyQualifiedName: "live/1" }] },
    ])
  })

  it("says why the kernel's rules could not be had", async () => {
    await using lab = await openLab({ files: { egressSets: ["anthropic"] } })
    const { wall } = await resolveTarget(context(lab.files.home), "machine:lab")
    expect(wall).toMatchObject({ kind: "unknown", why: expect.stringContaining("could not be had") })
  })

  it("that does not run shows what a start would put in force, and says so", async () => {
    await using lab = await openLab({ files: { egressSets: ["anthropic"] } })
    rmSync(lab.files.home.hostSocket)
    const view = await resolveTarget(context(lab.files.home), "lab")
    expect(view).toMatchObject({ policy: { kind: "rules", sets: ["anthropic"] }, wall: { kind: "unknown" } })
    expect(view.notes.join()).toContain("the host service does not run, so nothing leaves at this moment")
    expect(view.readFrom).toBe("the record of the machine lab and policies/egress")
  })
})
