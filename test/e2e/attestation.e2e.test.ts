import { createHash } from "node:crypto"
import {
  cpSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { parse, stringify } from "smol-toml"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { z } from "zod"
import { homeLayout } from "../../contract/home.ts"
import { type Manifest, manifest as manifestShape } from "../../contract/manifest.ts"
import { attestationState } from "../../contract/measurement.ts"
import { openReader } from "../../host-proxy/archive/open-reader.ts"
import { signFolder } from "../trust/image-folder.ts"
import { openTestHome, sharedHome, type TestHome } from "./test-home.ts"

/** As root: asks for something by the capture proxy, flushes the packet filter, and asks on until that shows. */
const LOOP = `
import { execFile } from "node:child_process"
import http from "node:http"
const where = { host: "127.0.0.1", port: 3128, path: "http://evil.example/", headers: { host: "evil.example" } }
const ask = () => new Promise((resolve) => {
  const request = http.get(where, (answer) => {
    answer.resume().on("end", () => resolve(answer.headers["stereo-verdict"]))
  })
  request.on("error", (error) => resolve(error.code))
})
console.log(await ask())
const flushed = new Promise((resolve) => execFile("nft", ["flush", "ruleset"], () => resolve(performance.now())))
let verdict = await ask()
for (const untilMs = performance.now() + 15000; verdict !== "attestation/ruleset" && performance.now() < untilMs; ) {
  await new Promise((resolve) => setTimeout(resolve, 20))
  verdict = await ask()
}
console.log(verdict)
console.log(Math.round(performance.now() - await flushed))
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

type Attestation = z.infer<typeof attestationState> | null

/** The last state that was seen within a minute, should none be the wanted one. */
async function eventually(name: string, isWanted: (found: Attestation) => boolean): Promise<Attestation> {
  const untilMs = performance.now() + 60_000
  for (;;) {
    const found = await attestationOf(name)
    if (isWanted(found) || performance.now() > untilMs) return found
    await delay(500)
  }
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

  it("loses its wire when its packet filter is flushed", async () => {
    const command = ["node", "--input-type=module", "-e", LOOP]
    const { stdout } = await home.must(["exec", "flushed", "--user", "root", "--", ...command])
    const [before, after, tookMs] = stdout.trim().split("\n")
    expect([before, after]).toEqual(["egress/no-rule", "attestation/ruleset"])
    process.stderr.write(`from the end of nft flush ruleset to the first refusal: ${tookMs} ms\n`)
    // the listing follows the announcement that closes the wire: the state may be there before its words
    const found = await eventually("flushed", (state) => state?.reason?.includes("missing: table") ?? false)
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
    expect(await eventually("dropped", (found) => found?.state === "refused")).toMatchObject({
      rule: "attestation/units",
      reason: expect.stringContaining("new: /run/systemd/system/evil.service"),
    })
  })

  it("that kills its own agent is measured anew before anything passes", async () => {
    await home.must(["rm", "-f", "dropped"])
    await home.must(["up", "--name", "killed"])
    const before = await attestationOf("killed")
    await home.stereo(["exec", "killed", "--user", "root", "--", "sh", "-c", "pkill -9 -f agent.mjs"])
    const isAnew = (found: Attestation) => found?.state === "attested" && found.since !== before?.since
    const after = await eventually("killed", isAnew)
    expect(after).toMatchObject({ state: "attested", bootId: before?.bootId })
    expect(Date.parse(after?.since ?? "")).toBeGreaterThan(Date.parse(before?.since ?? ""))
    await home.must(["rm", "-f", "killed"])
  })
})

describe("an image whose manifest promises another packet filter", () => {
  it("gives no machine: up fails and names what differs", async () => {
    await using other = openTestHome("", undefined, ["tools", "cache"])
    const promised = await plantOtherWall(other.root)
    const result = await other.stereo(["up", "--name", "other"])
    expect(result.code).not.toBe(0)
    expect(result.stderr).toContain("other is not what its image promises")
    expect(result.stderr).toContain(`attestation/ruleset: the packet filter is not the one`)
    expect(result.stderr).toContain(`expected ${promised}`)
  })
})

/** base, signed by that home's own key, with a listing of the packet filter that its root does not load; gives that one's digest. */
async function plantOtherWall(root: string): Promise<string> {
  const making = join(root, "images", "by-digest", "making")
  mkdirSync(join(root, "images", "by-name"), { recursive: true })
  cpSync(realpathSync(join(sharedHome, "images/by-name/base")), making, { recursive: true })
  const manifest = parseManifest(readFileSync(join(making, "manifest.toml"), "utf8"))
  const listing = Buffer.from('{"nftables": []}\n')
  const sha256 = createHash("sha256").update(listing).digest("hex")
  rmSync(join(making, "ruleset.json"))
  writeFileSync(join(making, "ruleset.json"), listing)
  manifest.files.ruleset = { ...manifest.files.ruleset, sha256, size_bytes: listing.length }
  manifest.measurements.ruleset_sha256 = sha256
  const text = stringify(manifest)
  writeFileSync(join(making, "manifest.toml"), text)
  await signFolder(homeLayout(root), making)
  const digest = createHash("sha256").update(text).digest("hex")
  renameSync(making, join(root, "images", "by-digest", digest))
  symlinkSync(join("..", "by-digest", digest), join(root, "images/by-name/base"))
  return sha256
}

function parseManifest(text: string): Manifest {
  return manifestShape.parse(parse(text))
}
