import { describe, expect, it } from "vitest"
import { openHostLab } from "../fakes/host-lab.ts"
import { FAKE_MEASURED } from "../fakes/measured.ts"
import { eventually, openLab } from "../host-proxy/lab.ts"
import { stereoIn } from "./run-stereo.ts"

describe("stereo ls", () => {
  it("says of a machine that runs whether it is what its image promises, and what differs", async () => {
    await using lab = await openLab()
    const list = async (...more: string[]) => (await stereoIn(lab.files.home.root, ["ls", ...more])).stdout
    expect(await list()).toMatch(/^NAME +STATE +ATTESTED .*\nlab +running +yes /)
    lab.control.tell({ ...FAKE_MEASURED, ruleset: { nftables: [] } })
    const said = await eventually(async () => {
      const text = await list()
      return text.includes("REFUSED") ? text : null
    })
    expect(said).toMatch(/the packet filter is not the one that image base promises/)
    const [row] = JSON.parse(await list("--json"))
    expect(row.attestation).toMatchObject({ state: "refused", rule: "attestation/ruleset" })
    expect(row.attestation.found.rulesetSha256).not.toBe(row.attestation.expected.rulesetSha256)
  })

  it("lists it as well when the host service does not run", async () => {
    using files = openHostLab({ upstream: "http://127.0.0.1:1" })
    const ran = await stereoIn(files.home.root, ["ls"])
    expect(ran).toMatchObject({ code: 0, stderr: "", stdout: expect.stringMatching(/lab +running +- /) })
  })
})
