import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { renderTemplate } from "../../../builder/plan/render-template.ts"
import { proveWall } from "../../../review/verify-wall.ts"
import { projectDir } from "../../rules/sources.ts"
import { kernelProblem, loadRuleset } from "./load-ruleset.ts"

if (kernelProblem !== null) console.warn(`skipped: ${kernelProblem}`)

const file = join(projectDir, "images/templates/nftables.njk")
const gateway = { address: "10.20.0.5", port: 3128, ca: "a certificate" }
const WHY = "those who look after it"

function renderWall(nets: readonly string[]): Promise<string> {
  const allow = nets.map((net) => ({ net, why: WHY }))
  return renderTemplate(file, "nftables.njk", { SITE: { gateway, ssh: { keys: ["k"], allow } }, ENV: {} })
}

describe.skipIf(kernelProblem !== null)("the wall of an image for a cloud, in a real kernel", () => {
  it.each([
    [["203.0.113.0/24"]],
    [["203.0.113.7/32", "10.1.0.0/16"]],
    // the gateway may log in as well
    [["10.20.0.0/16"]],
  ])("with logins from %j it is proven", async (allow) => {
    const proof = proveWall(loadRuleset(await renderWall(allow)), { gateway, ssh: { allow } })
    expect(proof).toMatchObject({ verdict: "proven", breaches: [], notProven: [] })
  })

  it.each([
    [
      "it lets in more than was promised",
      ["203.0.113.0/24", "198.51.100.0/24"],
      ["203.0.113.0/24"],
      "broken",
    ],
    ["it lets in a larger net", ["203.0.112.0/23"], ["203.0.113.0/24"], "broken"],
    ["it lets in fewer", ["203.0.113.0/25"], ["203.0.113.0/24"], "broken"],
  ])("when %s, that is found", async (_what, real, promised, verdict) => {
    const listing = loadRuleset(await renderWall(real))
    expect(proveWall(listing, { gateway, ssh: { allow: promised } }).verdict).toBe(verdict)
  })

  it.each([
    [
      "sshd's port may begin connections",
      "tcp sport { 22, 222 } ct state established ct direction reply accept",
      "tcp sport { 22, 222 } accept",
    ],
    [
      "logins come from anywhere",
      "iif != lo ip saddr { 203.0.113.0/24 } tcp dport { 22, 222 }",
      "iif != lo tcp dport { 22, 222 }",
    ],
    ["another port is open", "tcp dport { 22, 222 } ct state new", "tcp dport { 22, 23, 222 } ct state new"],
    ["root's port is closed", "tcp dport { 22, 222 } ct state new", "tcp dport 22 ct state new"],
    [
      "anybody speaks to the gateway",
      "meta skuid 990 ct state new,established accept",
      "ct state new,established accept",
    ],
  ])("with a fault planted it is broken: %s", async (_what, from, to) => {
    const allow = ["203.0.113.0/24"]
    const text = await renderWall(allow)
    expect(text).toContain(from)
    const proof = proveWall(loadRuleset(text.replaceAll(from, to)), { gateway, ssh: { allow } })
    expect(proof.verdict).toBe("broken")
  })

  it("is not taken for that of an image for this host", async () => {
    expect(proveWall(loadRuleset(await renderWall(["203.0.113.0/24"]))).verdict).toBe("broken")
  })
})
