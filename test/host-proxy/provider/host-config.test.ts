import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { readCredential, readHostConfig } from "../../../host-proxy/provider/host-config.ts"
import { readDefinitions } from "../../../host-proxy/provider/read-definitions.ts"
import { projectDir } from "../../rules/sources.ts"

const dir = mkdtempSync(join(tmpdir(), "stereo-config-"))
const definitions = await readDefinitions(join(projectDir, "policies/providers"))
afterAll(() => rmSync(dir, { recursive: true }))

function write(text: string, mode = 0o600): string {
  const file = join(dir, "host.toml")
  writeFileSync(file, text)
  chmodSync(file, mode)
  return file
}

describe("host.toml", () => {
  it("is not needed", async () => {
    expect(await readHostConfig(join(dir, "none.toml"), definitions)).toEqual({ providers: {}, upstream: [] })
  })

  it("that others may read is refused, with what to type", async () => {
    const file = write("", 0o640)
    await expect(readHostConfig(file, definitions)).rejects.toMatchObject({
      code: "host/open-config",
      hint: `chmod 600 ${file}`,
    })
  })

  it.each([
    ["an unknown key", '[providers.anthropic]\nkez = "12345678"', ":2: providers.anthropic.kez: unknown key"],
    [
      "a provider that is not known",
      '[providers.antropic]\nkey = "12345678"',
      ":1: providers.antropic: there is no such",
    ],
    ["a wrong type", "[providers.anthropic]\nkey = 5", ":2: providers.anthropic.key:"],
    [
      "an upstream that is no http address",
      '[providers.anthropic]\nupstream = "file:///etc/passwd"',
      ":2: providers.anthropic.upstream:",
    ],
    [
      "an upstream without a why",
      '[[upstream]]\nhost = "a.example.com"\nurl = "http://127.0.0.1:1"',
      "upstream.0.why:",
    ],
  ])("with %s is refused with file, line and key", async (_what, text, expected) => {
    const file = write(text)
    await expect(readHostConfig(file, definitions)).rejects.toThrow(expected)
    await expect(readHostConfig(file, definitions)).rejects.toThrow(file)
  })

  it("comes before the environment, and the environment before nothing", async () => {
    const [anthropic] = definitions
    if (!anthropic) throw new Error("no definition")
    const config = await readHostConfig(write('[providers.anthropic]\nkey = "from-host-toml"'), definitions)
    const none = await readHostConfig(join(dir, "none.toml"), definitions)
    expect(readCredential(anthropic, config, { ANTHROPIC_API_KEY: "from-environment" })).toBe(
      "from-host-toml",
    )
    expect(readCredential(anthropic, none, { ANTHROPIC_API_KEY: "from-environment" })).toBe(
      "from-environment",
    )
    expect(readCredential(anthropic, none, { ANTHROPIC_API_KEY: "" })).toBe(null)
  })
})
