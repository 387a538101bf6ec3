import { cpSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { z } from "zod"
import { attestationState } from "../../contract/measurement.ts"
import { openReader } from "../../host-proxy/archive/open-reader.ts"
import { openTestHome, sharedHome, type TestHome } from "./test-home.ts"

/** Asks for something by the capture proxy, again and again, and says when which verdict came. */
const LOOP = `
import http from "node:http"
const ask = () => new Promise((resolve) => {
  const request = http.get({ host: "127.0.0.1", port: 3128, path: "http://evil.example/" }, (answer) => {
    let body = ""
    answer.on("data", (chunk) => (body += chunk))
    answer.on("end", () => resolve(JSON.parse(body).error.rule))
  })
  request.on("error", () => resolve("error"))
})
for (const untilMs = Date.now() + 15000; Date.now() < untilMs; ) {
  const verdict = await ask()
  console.log(Date.now(), verdict)
  if (verdict === "attestation/ruleset") break
  await new Promise((resolve) => setTimeout(resolve, 50))
}
`

let home: TestHome

beforeAll(() => {
  home = openTestHome("")
})
afterAll(async () => {
  await home?.[Symbol.asyncDispose]()
})

async function attestationOf(name: string) {
  const rows = z
    .array(z.looseObject({ name: z.string(), attestation: attestationState.nullable() }))
    .parse(await home.json(["ls"]))
  return rows.find((row) => row.name === name)?.attestation ?? null
}

async function eventually(name: string, state: string): Promise<z.infer<typeof attestationState> | null> {
  for (let round = 0; round < 40; round += 1) {
    const found = await attestationOf(name)
    if (found?.state === state) return found
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  return attestationOf(name)
}

const asRoot = (name: string, script: string) =>
  home.must(["exec", name, "--user", "root", "--", "sh", "-c", script])

describe("a real machine", () => {
  it("is attested when it is ready: its kernel lists the rules that the build host's kernel made", async () => {
    await home.must(["up", "--name", "flushed"])
    const found = await attestationOf("flushed")
    expect(found).toMatchObject({ state: "attested", rule: null })
    expect(found?.found).toEqual(found?.expected)
  })

  it("loses its wire when its packet filter is flushed, promptly, as an event", async () => {
    const asking = home.must(["exec", "flushed", "--", "node", "--input-type=module", "-e", LOOP])
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    const { stdout } = await asRoot("flushed", "date +%s%3N; nft flush ruleset")
    const flushedAtMs = Number(stdout.trim())
    const lines = (await asking).stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
    expect(lines[0]?.[1]).toBe("egress/no-rule")
    expect(lines.at(-1)?.[1]).toBe("attestation/ruleset")
    const tookMs = Number(lines.at(-1)?.[0]) - flushedAtMs
    process.stderr.write(`from nft flush ruleset to the first refusal: ${tookMs} ms, by the guest's clock\n`)
    expect(tookMs).toBeLessThan(5_000)
    const found = await eventually("flushed", "refused")
    expect(found).toMatchObject({
      rule: "attestation/ruleset",
      reason: expect.stringContaining("missing: table"),
    })
    await using reader = openReader(join(home.root, "archive"))
    const kinds = ((await reader?.findings()) ?? []).map(({ kind }) => kind)
    expect(kinds).toContain("attestation/ruleset")
  })

  it("loses it when a unit is dropped where systemd looks", async () => {
    await home.must(["rm", "-f", "flushed"])
    await home.must(["up", "--name", "dropped"])
    await asRoot("dropped", "printf '[Service]\\nExecStart=/bin/true\\n' > /run/systemd/system/evil.service")
    expect(await eventually("dropped", "refused")).toMatchObject({
      rule: "attestation/units",
      reason: expect.stringContaining("new: /run/systemd/system/evil.service"),
    })
  })

  it("that kills its own agent is measured anew before anything passes", async () => {
    await home.must(["rm", "-f", "dropped"])
    await home.must(["up", "--name", "killed"])
    const before = await attestationOf("killed")
    await home.stereo(["exec", "killed", "--user", "root", "--", "sh", "-c", "pkill -9 -f agent.mjs"])
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    const after = await eventually("killed", "attested")
    expect(after?.bootId).toBe(before?.bootId)
    expect(Date.parse(after?.since ?? "")).toBeGreaterThan(Date.parse(before?.since ?? ""))
    await home.must(["rm", "-f", "killed"])
  })
})

describe("an image whose manifest promises another packet filter", () => {
  it("gives no machine: up fails and names what differs", async () => {
    await using other = openTestHome("", undefined, ["tools", "cache"])
    const dir = join(other.root, "images", "by-digest", "f".repeat(64))
    mkdirSync(join(other.root, "images", "by-name"), { recursive: true })
    cpSync(realpathSync(join(sharedHome, "images/by-name/base")), dir, { recursive: true })
    const text = readFileSync(join(dir, "manifest.toml"), "utf8")
    writeFileSync(
      join(dir, "manifest.toml"),
      text.replace(/ruleset_sha256 = "\w+"/, `ruleset_sha256 = "${"e".repeat(64)}"`),
    )
    symlinkSync(join("..", "by-digest", "f".repeat(64)), join(other.root, "images/by-name/base"))
    const result = await other.stereo(["up", "--name", "other"])
    expect(result.code).not.toBe(0)
    expect(result.stderr).toContain("other is not what its image promises")
    expect(result.stderr).toContain(`attestation/ruleset: the packet filter is not the one`)
    expect(result.stderr).toContain(`expected ${"e".repeat(64)}`)
  })
})
