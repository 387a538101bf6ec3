import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { type Card, card } from "../../contract/card.ts"
import { machineRecord } from "../../contract/machine-record.ts"
import { manifest } from "../../contract/manifest.ts"
import { providerDefinition } from "../../contract/provider-definition.ts"
import { checkEgressSets } from "../../machine/plan/check-egress-sets.ts"
import { mintSecrets } from "../../machine/plan/mint-secrets.ts"
import { planRecord } from "../../machine/plan/plan-record.ts"
import { readCard } from "../../machine/plan/read-card.ts"

const provider = providerDefinition.parse({
  name: "anthropic",
  host: "api.anthropic.com",
  upstream: "https://api.anthropic.com",
  credential: { header: "x-api-key", environment: "ANTHROPIC_API_KEY" },
  placeholder: { environment: "ANTHROPIC_API_KEY", prefix: "sk-ant-api03-" },
  endpoints: [{ path: "/v1/messages", api: "anthropic-messages" }],
})
const file = { name: "f", sha256: "1".repeat(64), size_bytes: 1 }
const image = manifest.parse({
  schema: 1,
  name: "coder",
  profile: "strict",
  arch: "x86_64",
  plan: "a".repeat(64),
  files: Object.fromEntries(Object.keys(manifest.shape.files.shape).map((name) => [name, file])),
  measurements: { ruleset_sha256: "c".repeat(64), units_sha256: "d".repeat(64) },
  verity: { root_hash: "b".repeat(64), salt: "00", data_blocks: 1, block_size_bytes: 4096 },
  kernel: { version: "6.12", command_line: "quiet", vmlinux_sha256: "7".repeat(64) },
  uefi: {
    uki_sha256: "8".repeat(64),
    authenticode_sha256: "9".repeat(64),
    pcrs: { sha256: {} },
    pcrs_secure_boot_off: { sha256: {} },
  },
  resources: { cpus: 2, memory_mib: 1024, disk_mib: 1024 },
  egress: { sets: ["anthropic"] },
  env: { A: "image", B: "image" },
  packages: [],
})

function plan(fields: Partial<Card> = {}, asked: { name?: string; team?: string } = {}) {
  return planRecord({
    card: card.parse(fields),
    image: { name: "coder", dir: "/images/x", manifest: image },
    providers: [provider],
    secrets: mintSecrets([provider]),
    accelerator: "tcg",
    runId: "01m84dtks0q6wbs0p70x8jszqs",
    createdAt: "2026-11-23T14:00:00.000Z",
    owner: { pid: 1, startTicks: "1" },
    ephemeral: false,
    asked,
  })
}

describe("a machine's record", () => {
  it("is one that its readers accept", () => {
    const planned = plan()
    expect(machineRecord.parse(planned)).toEqual(planned)
  })

  it("takes the command line before the card, and the card before the image", () => {
    const fields = {
      name: "card",
      team: "card-team",
      resources: { cpus: 4 },
      egress: { sets: ["openai", "anthropic"] },
      env: { B: "card" },
    }
    const planned = plan(fields, { name: "asked" })
    expect(planned).toMatchObject({ name: "asked", team: "card-team", project: "default" })
    expect(planned.resources).toEqual({ cpus: 4, memoryMib: 1024, diskMib: 1024 })
    expect(planned.egressSets).toEqual(["anthropic", "openai"])
    expect(planned.env).toMatchObject({ A: "image", B: "card" })
  })

  it("carries what the image's manifest promises a machine to be found as", () => {
    expect(plan().image).toMatchObject({
      rootHash: "b".repeat(64),
      measurements: { rulesetSha256: "c".repeat(64), unitsSha256: "d".repeat(64) },
    })
  })

  it("invents a name that a machine may have", () => {
    expect(plan().name).toBe("coder-8jszqs")
  })

  it("gives the agent a new placeholder in the provider's variable at each start", () => {
    const [first, second] = [plan(), plan()]
    expect(first.placeholders["anthropic"]).toMatch(/^sk-ant-api03-[0-9a-f]{48}$/)
    expect(first.env["ANTHROPIC_API_KEY"]).toBe(first.placeholders["anthropic"])
    expect(second.placeholders["anthropic"]).not.toBe(first.placeholders["anthropic"])
  })

  it("says that nothing isolates under TCG", () => {
    expect(plan()).toMatchObject({ accelerator: "tcg", isolation: "none" })
  })

  it("refuses a card that holds what should be a credential", () => {
    expect(() => plan({ env: { ANTHROPIC_API_KEY: "sk-real" } })).toThrow(
      expect.objectContaining({ code: "card/holds-credential" }),
    )
  })
})

describe("a card", () => {
  const dir = mkdtempSync(join(tmpdir(), "stereo-card-"))
  afterAll(() => rmSync(dir, { recursive: true }))

  it("is reported with file, line and key when a key is unknown", async () => {
    const path = join(dir, "jcard.toml")
    writeFileSync(path, 'image = "coder"\n\n[resources]\ncpus = 2\nmemory = 5\n')
    await expect(readCard(path)).rejects.toMatchObject({
      code: "card/bad-field",
      message: expect.stringContaining(`${path}:5: resources.memory: unknown key`),
    })
  })

  it("is refused with the known names when it asks for an egress set that is not there", async () => {
    mkdirSync(join(dir, "policies", "egress"), { recursive: true })
    writeFileSync(
      join(dir, "policies", "egress", "known.toml"),
      'name = "known"\nwhy = "a set for a test"\nowner = "testers"\n',
    )
    writeFileSync(
      join(dir, "policies", "egress", "broken.toml"),
      'name = "broken"\nwhy = "too few"\nallow = 1\n',
    )
    await checkEgressSets(dir, ["known"])
    await expect(checkEgressSets(dir, ["known", "unknown"])).rejects.toMatchObject({
      code: "card/unknown-egress-set",
      message: expect.stringContaining('"unknown"'),
      hint: expect.stringMatching(/known sets: .*known/),
    })
    await expect(checkEgressSets(dir, ["known", "broken"])).rejects.toMatchObject({
      code: "egress/bad-field",
      message: expect.stringContaining("policies/egress/broken.toml:3: allow: expected a list"),
    })
    const wide = `name = "wide"\nwhy = "a set for a test"\nowner = "testers"\n\n[[allow]]\nhost = "*.com"\nmethods = ["GET"]\npaths = ["/**"]\nwhy = "a rule for a test"\n`
    writeFileSync(join(dir, "policies", "egress", "wide.toml"), wide)
    await expect(checkEgressSets(dir, ["wide"])).rejects.toMatchObject({
      message: expect.stringContaining(
        "policies/egress/wide.toml:6: allow.0.host: stands for every name under com",
      ),
    })
    writeFileSync(join(dir, "policies", "egress", "copied.toml"), wide.replace("*.com", "a.example.com"))
    await expect(checkEgressSets(dir, ["copied"])).rejects.toMatchObject({
      message: expect.stringContaining('policies/egress/copied.toml:1: name: is "wide"'),
    })
  })

  it.each([
    [
      "a name that leads out of the folder of machines",
      { name: "../../elsewhere" },
      '--name "../../elsewhere"',
    ],
    ["an empty team", { team: "" }, "--team is empty"],
  ])("is refused beside %s on the command line", (_case, asked, message) => {
    expect(() => plan({}, asked)).toThrow(message)
  })

  it("is reported with its path when it cannot be read", async () => {
    await expect(readCard(join(dir, "none.toml"))).rejects.toMatchObject({ code: "card/unreadable" })
  })
})
