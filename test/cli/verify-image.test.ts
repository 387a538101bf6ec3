import { generateKeyPairSync, type KeyObject } from "node:crypto"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { type FakeSigstore, openFakeSigstore } from "../fakes/sigstore.ts"
import { openTestStore, type TestStore } from "../trust/image-folder.ts"
import { stereoIn } from "./run-stereo.ts"

/** In it are `base` by the home's own key and by an identity, and `pulled` by a key that nobody trusts. */
let store: TestStore
let sigstore: FakeSigstore

beforeAll(async () => {
  store = openTestStore()
  sigstore = await openFakeSigstore()
  for (const [name, value] of Object.entries(sigstore.environment)) vi.stubEnv(name, value)
  const keyless = { fulcioUrl: sigstore.url, rekorUrl: sigstore.url }
  await store.store("base", undefined, { keyless })
  const stranger = writeKey("stranger")
  mkdirSync(store.home.trustedKeys)
  writeKey("trusted", store.home.trustedKeys)
  await store.store("pulled", undefined, { keyFile: stranger })
  writeFileSync(file("own.pub"), (await stereoIn(store.home.root, ["keys", "show", "own"])).stdout)
  writeFileSync(file("root.json"), sigstore.trustedRoot)
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await sigstore[Symbol.asyncDispose]()
  store[Symbol.dispose]()
})

const file = (name: string) => join(store.home.root, name)

/** Gives the file of the private half; the public one goes to `NAME.pub`. */
function writeKey(name: string, publicDir = store.home.root): string {
  const pair = generateKeyPairSync("ed25519")
  const pem = (key: KeyObject, type: "pkcs8" | "spki") => key.export({ type, format: "pem" })
  writeFileSync(join(publicDir, `${name}.pub`), pem(pair.publicKey, "spki"))
  writeFileSync(file(`${name}.pem`), pem(pair.privateKey, "pkcs8"), { mode: 0o600 })
  return file(`${name}.pem`)
}

async function verify(image: string, ...options: string[]) {
  const { code, stdout } = await stereoIn(store.home.root, ["images", "verify", image, "--json", ...options])
  const { verified, vouchers, findings } = JSON.parse(stdout)
  return { code, verified, vouchers, kinds: findings.map(({ kind }: { kind: string }) => kind) }
}

describe("stereo images verify --key", () => {
  it("goes by that key and no other, also where it is trusted nowhere", async () => {
    expect(await verify("pulled")).toMatchObject({ code: 2, verified: false, kinds: ["unknown-key"] })
    expect(await verify("pulled", "--key", file("stranger.pub"))).toMatchObject({
      ...{ code: 0, verified: true, vouchers: [{ kind: "key", name: "stranger.pub" }] },
    })
  })

  it("names a file that is not there, and what writes one", async () => {
    const ran = await stereoIn(store.home.root, ["images", "verify", "base", "--key", "/nowhere/ci.pub"])
    expect(ran).toMatchObject({ code: 1, stdout: "" })
    expect(ran.stderr).toMatch(/^stereo: keys\/no-file: \/nowhere\/ci\.pub cannot be read: .*\n {2}hint: /)
  })

  it("does not count a key of the home beside it", async () => {
    expect(await verify("base", "--key", file("own.pub"))).toMatchObject({ code: 0, verified: true })
    const other = join(store.home.trustedKeys, "trusted.pub")
    expect(await verify("base", "--key", other)).toMatchObject({
      ...{ code: 2, verified: false, kinds: ["unknown-key"] },
    })
  })

  it("says of a file that is none that nothing could be found out", async () => {
    const ran = await stereoIn(store.home.root, ["images", "verify", "base", "--key", file("none.pub")])
    expect(ran).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("keys/no-file") })
  })
})

describe("stereo images verify --trusted-root --identity --issuer", () => {
  const bundle = (change: { readonly identity?: string; readonly issuer?: string } = {}) => {
    const { identity, issuer } = { ...sigstore, ...change }
    return ["--trusted-root", file("root.json"), "--identity", identity, "--issuer", issuer]
  }

  it("asks for the bundle beside the key's signature", async () => {
    const { code, vouchers } = await verify("base", ...bundle())
    const { identity, issuer } = sigstore
    expect({ code, vouchers }).toMatchObject({
      ...{ code: 0, vouchers: [{ kind: "key" }, { kind: "identity", identity, issuer }] },
    })
    const text = await stereoIn(store.home.root, ["images", "verify", "base", ...bundle()])
    expect(text.stdout).toContain(`\n  signed by  ${identity}, by ${issuer}\n`)
    expect(await verify("pulled", "--key", file("stranger.pub"), ...bundle())).toMatchObject({
      ...{ code: 2, verified: false, kinds: ["no-provenance"] },
    })
  })

  it.each([
    ["another identity", { identity: "https://git.example/team/other" }],
    ["another issuer", { issuer: "https://other.example" }],
  ])("refuses it by %s", async (_what, change) => {
    expect(await verify("base", ...bundle(change))).toMatchObject({
      ...{ code: 2, verified: false, kinds: ["bad-bundle"] },
    })
  })

  it("refuses it by another trusted root", async () => {
    await using other = await openFakeSigstore()
    writeFileSync(file("other.json"), other.trustedRoot)
    const found = await verify("base", ...bundle().with(1, file("other.json")))
    expect(found).toMatchObject({ code: 2, verified: false, kinds: ["bad-bundle"] })
  })

  it.each([0, 2, 4])("takes all three or none, not without that at %i", async (at) => {
    const given = bundle().toSpliced(at, 2)
    const ran = await stereoIn(store.home.root, ["images", "verify", "base", ...given])
    expect(ran).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("image/half-identity") })
  })
})
