import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { signKeyless } from "../../trust/sigstore/sign-keyless.ts"
import { type KeylessExpectation, verifyBundle } from "../../trust/sigstore/verify-bundle.ts"
import { readTrustedKeys } from "../../trust/trusted-keys.ts"
import { verifyImage } from "../../trust/verify-image.ts"
import { type FakeSigstore, openFakeSigstore } from "../fakes/sigstore.ts"
import { type ImageFolder, openTestStore, type TestStore } from "./image-folder.ts"
import { kinds } from "./verify-folder.ts"

let sigstore: FakeSigstore
let store: TestStore
let image: ImageFolder

beforeEach(async () => {
  sigstore = await openFakeSigstore()
  store = openTestStore()
  for (const [name, value] of Object.entries(sigstore.environment)) vi.stubEnv(name, value)
  image = await store.store("base", undefined, { keyless: services() })
})
afterEach(async () => {
  vi.unstubAllEnvs()
  store[Symbol.dispose]()
  await sigstore[Symbol.asyncDispose]()
})

const services = () => ({ fulcioUrl: sigstore.url, rekorUrl: sigstore.url })

function expected(change: Partial<KeylessExpectation> = {}): KeylessExpectation {
  const { trustedRoot, identity, issuer } = sigstore
  return { trustedRoot, identity, issuer, ...change }
}

async function verify(keyless: KeylessExpectation, dir = image.dir) {
  const keys = await readTrustedKeys(store.home)
  return verifyImage({ dir, digest: basename(dir), storedName: "base", keys, keyless, depth: "all" })
}

const bundleFile = (dir = image.dir) => join(dir, "provenance.sigstore.json")
const readBundle = () => JSON.parse(readFileSync(bundleFile(), "utf8"))

describe("a keyless signature", () => {
  it("is verified by trusted root, identity and issuer, beside the key's", async () => {
    const verification = await verify(expected())
    expect(verification).toMatchObject({ kind: "verified" })
    if (verification.kind !== "verified") return
    expect(verification.vouchers.map(({ kind }) => kind)).toEqual(["key", "identity"])
  })

  it.each([
    ["another identity", () => expected({ identity: "https://git.example/evil" })],
    [
      "an identity of which the right one is only the beginning",
      () => expected({ identity: sigstore.identity.slice(0, -1) }),
    ],
    ["a dot that is none", () => expected({ identity: sigstore.identity.replace(".example", "xexample") })],
    ["another issuer", () => expected({ issuer: "https://other.example" })],
  ])("by %s is refused", async (_what, keyless) => {
    expect(kinds(await verify(keyless()))).toEqual(["bad-bundle provenance.sigstore.json"])
  })

  it("of other services is refused: the trusted root decides which count", async () => {
    await using other = await openFakeSigstore()
    const found = await verify(expected({ trustedRoot: other.trustedRoot }))
    expect(kinds(found)).toEqual(["bad-bundle provenance.sigstore.json"])
  })

  it("over a changed payload is refused", async () => {
    const bundle = readBundle()
    bundle.dsseEnvelope.payload = Buffer.from('{"_type":"x"}').toString("base64")
    writeFileSync(bundleFile(), JSON.stringify(bundle))
    expect(kinds(await verify(expected()))).toEqual(["bad-bundle provenance.sigstore.json"])
  })

  it("without its entry in the log is refused", async () => {
    const bundle = readBundle()
    bundle.verificationMaterial.tlogEntries = []
    writeFileSync(bundleFile(), JSON.stringify(bundle))
    expect(kinds(await verify(expected()))).toEqual(["bad-bundle provenance.sigstore.json"])
  })

  it("of another image is refused", async () => {
    const other = await store.store("other", undefined, { keyless: services() })
    cpSync(bundleFile(other.dir), bundleFile())
    expect(kinds(await verify(expected()))).toContain("wrong-subject manifest.toml")
  })

  it("that is asked for and not there is refused", async () => {
    rmSync(bundleFile())
    expect(kinds(await verify(expected()))).toEqual(["no-provenance provenance.sigstore.json"])
  })

  it("is not believed of a text that is no bundle", () => {
    for (const text of ["", "{}", "[]", '{"mediaType":"x"}', '{"a":1,"a":2}']) {
      expect(verifyBundle(text, expected()).kind).toBe("refused")
    }
    expect(() => verifyBundle("{}", expected({ trustedRoot: "{" }))).toThrow(/trusted root/)
  })
})

describe("a keyless signature that fails", () => {
  it("for a log that refuses is a fault", async () => {
    sigstore.failLog(400)
    await expect(signKeyless(Buffer.from("{}"), services())).rejects.toMatchObject({ code: "sign/keyless" })
  })

  it("for a token that is not given is a fault that does not print what it has", async () => {
    vi.stubEnv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "wrong")
    const failure = await signKeyless(Buffer.from("{}"), services()).catch((thrown: Error) => thrown)
    expect(failure).toMatchObject({ code: "sign/keyless" })
    vi.stubEnv("ACTIONS_ID_TOKEN_REQUEST_URL", "")
    const secret = `${"a".repeat(40)}.${"b".repeat(40)}.${"c".repeat(40)}`
    vi.stubEnv("SIGSTORE_ID_TOKEN", secret)
    const other = await signKeyless(Buffer.from("{}"), services()).catch((thrown: Error) => thrown)
    expect(other).toMatchObject({ code: "sign/keyless" })
    expect(String(other)).not.toContain(secret)
  })
})
