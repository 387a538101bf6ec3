import { execFileSync } from "node:child_process"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type CliHome, openCliHome } from "./run-stereo.ts"

let home: CliHome

beforeEach(() => {
  home = openCliHome()
})
afterEach(() => home[Symbol.dispose]())

describe("stereo keys", () => {
  it("makes, shows, trusts and distrusts, and says so to people and to programs", async () => {
    expect((await home.stereo("keys")).stdout).toMatch(/^no key is trusted yet/)
    const made = JSON.parse((await home.stereo("keys", "new", "--json")).stdout)
    expect(made).toMatchObject({ name: "own", former: null })
    const pem = (await home.stereo("keys", "show", "own")).stdout
    const file = join(home.root, "ci.pub")
    execFileSync("sh", ["-c", `openssl genpkey -algorithm ed25519 | openssl pkey -pubout -out ${file}`])
    expect(pem).toMatch(/^-----BEGIN PUBLIC KEY-----\n/)
    const trusted = JSON.parse((await home.stereo("keys", "trust", file, "--json")).stdout)
    expect(JSON.parse((await home.stereo("keys", "--json")).stdout)).toEqual([
      { name: "own", id: made.id, signsHere: true },
      { name: "ci", id: trusted.id, signsHere: false },
    ])
    expect((await home.stereo("keys", "ls")).stdout).toMatch(/ci +[0-9a-f]{16} +–/)
    expect((await home.stereo("keys", "distrust", trusted.id.slice(0, 10))).stdout).toContain(
      "trusted no more",
    )
    expect(await home.stereo("keys", "show", "ci")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("keys/unknown"),
    })
  })

  it("verifies no image that is not there: it could not be found out", async () => {
    expect(await home.stereo("images", "verify", "base")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("image/not-built"),
    })
  })
})
