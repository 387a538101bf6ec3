import { describe, expect, it } from "vitest"
import { checkExposure } from "../../builder/gates/check-exposure.ts"
import type { Plan } from "../../builder/plan.ts"
import { resolvePlan } from "../../builder/resolve-plan.ts"
import { NO_LOCK, openFolder, ROOT_IMAGE, STRICT } from "./project-folder.ts"

const SESSION = "stereo-session@.service"
const DROP_IN = `/etc/systemd/system/${SESSION}.d/50-session.conf`
const WHY = "the sandbox of a browser"
const NESTED = `name = "nested"
description = "an image whose agent makes namespaces"
extends = "root"

[session.user_namespaces]
max = 64
why = "${WHY}"
`
const LOOK = `name = "look"
description = "a profile of a test"

[[exposure]]
units = ["${SESSION}"]
at_most = 1.6
why = "a debugger needs ptrace"
`

describe("an image that asks for user namespaces", () => {
  it("has the kernel's limit, the unit's lines and the gate's allowance, with its own reason", async () => {
    const { plan, dropIn } = await planOf("nested")
    expect(plan.session.userNamespaces).toEqual({ max: 64, why: WHY })
    expect(plan.sysctls.at(-1)).toMatchObject({ key: "user.max_user_namespaces", value: "64", why: WHY })
    expect(plan.gates.exposures).toEqual([{ units: [SESSION], atMost: 35, why: WHY }])
    expect(dropIn).toMatch(/^RestrictNamespaces=no$/m)
  })

  it("is let through the gate up to 3.5, and no other unit with it", async () => {
    const { plan } = await planOf("nested")
    const found = (tenths: number, unit = SESSION) =>
      checkExposure(new Map([[SESSION, 31]]).set(unit, tenths), plan.gates.exposures)
    expect(found(31)).toEqual([])
    expect(found(35)).toEqual([])
    expect(found(36)).toMatchObject([{ gate: "exposure", subject: SESSION, found: "3.6", allowed: "3.5" }])
    expect(found(16, "stereo-agent.service")).toMatchObject([{ subject: "stereo-agent.service" }])
  })

  it("keeps the wider allowance under a profile that has a narrower one of its own", async () => {
    const { plan } = await planOf("nested", "look")
    expect(plan.gates.exposures.map(({ atMost }) => atMost)).toEqual([16, 35])
    expect(checkExposure(new Map([[SESSION, 33]]), plan.gates.exposures)).toEqual([])
    const reversed = [...plan.gates.exposures].reverse()
    expect(checkExposure(new Map([[SESSION, 33]]), reversed)).toEqual([])
  })
})

describe("an image that does not", () => {
  it("has no allowance, and nothing of the unit opened", async () => {
    const { plan, dropIn } = await planOf("root")
    expect(plan.session.userNamespaces).toBeNull()
    expect(plan.gates.exposures).toEqual([])
    expect(plan.sysctls.map(({ key }) => key)).not.toContain("user.max_user_namespaces")
    expect(dropIn).not.toMatch(/Namespaces|SystemCallFilter|Protect/)
    expect(checkExposure(new Map([[SESSION, 31]]), plan.gates.exposures)).toHaveLength(1)
  })

  it.each([
    ["a reason", NESTED.replace(/why = .*\n$/, "")],
    ["a number", NESTED.replace("max = 64\n", "")],
    ["a number over 0", NESTED.replace("max = 64", "max = 0")],
  ])("is refused where it asks without %s", async (_what, text) => {
    await expect(planOf("nested", "strict", text)).rejects.toMatchObject({ code: "image/bad-field" })
  })
})

async function planOf(
  name: string,
  profile = "strict",
  nested = NESTED,
): Promise<{ plan: Plan; dropIn: string }> {
  using project = openFolder({
    "package-lock.json": NO_LOCK,
    "images/profiles/strict/image.toml": STRICT,
    "images/profiles/look/image.toml": LOOK,
    "images/root/image.toml": ROOT_IMAGE,
    "images/nested/image.toml": nested,
  })
  const { plan, contents } = await resolvePlan(project.dir, name, profile)
  const entry = plan.entries.find(({ path }) => path === DROP_IN)
  const dropIn = contents.get(entry?.kind === "file" ? entry.sha256 : "")?.toString() ?? ""
  return { plan, dropIn }
}
