import { execFileSync } from "node:child_process"
import { generateKeyPairSync, verify } from "node:crypto"
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { distrust, makeNew, trustFile } from "../../cli/keys/change-keys.ts"
import { findKey } from "../../cli/keys/find-key.ts"
import { readSigningChoice } from "../../cli/signing-choice.ts"
import { type Home, homeLayout } from "../../contract/home.ts"
import { openSigner } from "../../trust/open-signer.ts"
import { renderPublicKey } from "../../trust/public-key.ts"
import type { SigningChoice } from "../../trust/signer.ts"
import { makeSigningKey } from "../../trust/signing-key.ts"
import { readTrustedKeys } from "../../trust/trusted-keys.ts"

let home: Home

beforeEach(() => {
  home = homeLayout(mkdtempSync(join(tmpdir(), "stereo-keys-")))
})
afterEach(() => rmSync(home.root, { recursive: true }))

const file = (name: string) => join(home.root, name)
const open = (choice: SigningChoice, signal = new AbortController().signal) =>
  openSigner(home, choice, signal)

/** A key as openssl makes it, with its public half beside. */
function opensslKey(name: string, algorithm = "ed25519"): { privateFile: string; publicFile: string } {
  const [privateFile, publicFile] = [file(`${name}.pem`), file(`${name}.pub`)]
  execFileSync("openssl", ["genpkey", "-algorithm", algorithm, "-out", privateFile], { stdio: "ignore" })
  chmodSync(privateFile, 0o600)
  execFileSync("openssl", ["pkey", "-in", privateFile, "-pubout", "-out", publicFile])
  return { privateFile, publicFile }
}

describe("the home's own key", () => {
  it("is made at the first build, for nobody else to read, and stays", async () => {
    const first = await open({})
    expect(statSync(home.signingKey).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(home.signingKey)).mode & 0o777).toBe(0o700)
    expect((await open({})).publicKey.id).toBe(first.publicKey.id)
    expect((await readTrustedKeys(home)).map(({ name }) => name)).toEqual(["own"])
  })

  it("is one key, also when several builds make it at once", async () => {
    const made = await Promise.all([makeSigningKey(home), makeSigningKey(home)])
    expect(new Set(made.map(({ publicKey }) => publicKey.id)).size).toBe(1)
    expect(readdirSync(dirname(home.signingKey))).toEqual(["signing.pem"])
  })

  it("is refused when others may read it, and when it is none", async () => {
    await open({})
    chmodSync(home.signingKey, 0o640)
    await expect(open({})).rejects.toMatchObject({ code: "keys/loose-file" })
    chmodSync(home.signingKey, 0o600)
    writeFileSync(home.signingKey, "no key")
    await expect(open({})).rejects.toMatchObject({ code: "keys/bad-key" })
    await expect(readTrustedKeys(home)).rejects.toMatchObject({ code: "keys/bad-key" })
  })

  it("can be made anew: what the former one signed stays trusted until it is distrusted", async () => {
    const before = await open({})
    const { made, former } = await makeNew(home, Date.parse("2026-11-25"))
    expect(former).toMatchObject({
      id: before.publicKey.id,
      name: expect.stringMatching(/^own-until-2026-11-25-/),
    })
    expect((await readTrustedKeys(home)).map(({ id }) => id)).toEqual([made.id, before.publicKey.id])
    await distrust(home, former?.name ?? "")
    expect((await readTrustedKeys(home)).map(({ id }) => id)).toEqual([made.id])
    await expect(distrust(home, "own")).rejects.toMatchObject({ code: "keys/own" })
  })

  it("is what openssl makes of it, and its id is the sha256 of the SPKI", async () => {
    const { publicKey } = await open({})
    const der = execFileSync("openssl", ["pkey", "-in", home.signingKey, "-pubout", "-outform", "DER"])
    const sum = execFileSync("sha256sum", { input: der, encoding: "utf8" })
    expect(sum).toContain(publicKey.id)
    expect(renderPublicKey(publicKey)).toContain("BEGIN PUBLIC KEY")
  })
})

describe("trusted keys", () => {
  it("are added by file, found by name and by their id, and taken away", async () => {
    const { publicFile } = opensslKey("ci")
    const shown = await trustFile(home, publicFile, undefined)
    expect(shown.name).toBe("ci")
    expect((await trustFile(home, publicFile, "again")).name).toBe("ci")
    expect((await findKey(home, shown.id.slice(0, 8))).id).toBe(shown.id)
    expect((await findKey(home, "ci")).id).toBe(shown.id)
    await distrust(home, shown.id)
    expect(await readTrustedKeys(home)).toEqual([])
    await expect(findKey(home, "ci")).rejects.toMatchObject({ code: "keys/unknown" })
  })

  it.each([
    ["a private key", () => opensslKey("ci").privateFile, "keys/bad-key"],
    ["a key of another kind", () => opensslKey("ci", "X25519").publicFile, "keys/bad-key"],
    ["a file that is none", () => file("nothing.pub"), "keys/no-file"],
  ])("%s is refused", async (_what, make, code) => {
    await expect(trustFile(home, make(), undefined)).rejects.toMatchObject({ code })
    expect(await readTrustedKeys(home)).toEqual([])
  })

  it("a name that leads elsewhere is refused, and so is one that is taken", async () => {
    const { publicFile } = opensslKey("ci")
    await expect(trustFile(home, publicFile, "../evil")).rejects.toMatchObject({ code: "keys/bad-name" })
    await trustFile(home, publicFile, "ci")
    await expect(trustFile(home, opensslKey("other").publicFile, "ci")).rejects.toMatchObject({
      code: "keys/name-taken",
    })
    await expect(trustFile(home, opensslKey("third").publicFile, "own")).rejects.toMatchObject({
      code: "keys/bad-name",
    })
  })

  it("of a folder that others may write to nobody is trusted, nor by way of a link", async () => {
    await trustFile(home, opensslKey("ci").publicFile, undefined)
    symlinkSync(file("ci.pub"), join(home.trustedKeys, "link.pub"))
    await expect(readTrustedKeys(home)).rejects.toMatchObject({ code: "keys/bad-key" })
    rmSync(join(home.trustedKeys, "link.pub"))
    chmodSync(home.trustedKeys, 0o777)
    await expect(readTrustedKeys(home)).rejects.toMatchObject({ code: "keys/loose-folder" })
    chmodSync(home.trustedKeys, 0o755)
    // whoever may write to the folder above puts another one in its place
    chmodSync(dirname(home.trustedKeys), 0o777)
    await expect(readTrustedKeys(home)).rejects.toMatchObject({ code: "keys/loose-folder" })
  })

  it("of a file that others may write to nobody is trusted either", async () => {
    await trustFile(home, opensslKey("ci").publicFile, undefined)
    chmodSync(join(home.trustedKeys, "ci.pub"), 0o666)
    await expect(readTrustedKeys(home)).rejects.toMatchObject({ code: "keys/loose-file" })
  })
})

describe("signing", () => {
  const bytes = Buffer.from("DSSEv1 1 a 1 b")

  it("by a key file that is named", async () => {
    const { privateFile } = opensslKey("ci")
    const signer = await open({ keyFile: privateFile })
    expect(verify(null, bytes, signer.publicKey.key, await signer.sign(bytes))).toBe(true)
    await expect(open({ keyFile: file("none.pem") })).rejects.toMatchObject({ code: "keys/no-file" })
  })

  it("by an encrypted key is refused with what to do instead", async () => {
    const { privateKey } = generateKeyPairSync("ed25519")
    const pem = privateKey.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" })
    writeFileSync(file("locked.pem"), pem, { mode: 0o600 })
    await expect(open({ keyFile: file("locked.pem") })).rejects.toMatchObject({
      code: "keys/bad-key",
      hint: expect.stringContaining("--signing-command"),
    })
  })

  it("by a command: openssl with a key of its own", async () => {
    const { privateFile, publicFile } = opensslKey("hsm")
    const line = `cat > ${file("in")} && openssl pkeyutl -sign -rawin -inkey ${privateFile} -in ${file("in")} | base64 -w0`
    const signer = await open({ command: { line, publicKeyFile: publicFile } })
    expect(verify(null, bytes, signer.publicKey.key, await signer.sign(bytes))).toBe(true)
    expect(readFileSync(file("in"))).toEqual(bytes)
  })

  it.each([
    ["that fails", "echo 'card is not there' >&2; exit 3", "sign/command-failed", "card is not there"],
    ["that is not there", "no-such-signer", "sign/command-failed", "not found"],
    ["that prints nothing", "true", "sign/odd-signature", "nothing"],
    ["that prints no base64", "echo '-----BEGIN'", "sign/odd-signature", "expected 64 bytes"],
    [
      "that prints another signature",
      "head -c 64 /dev/zero | base64 -w0",
      "sign/wrong-signature",
      "no signature by key",
    ],
    ["that prints without end", "yes", "sign/odd-signature", "64 KiB"],
    ["that takes too long", "sleep 60 & sleep 60", "sign/command-late", "did not end in 0.3 s"],
  ])("by a command %s is a fault that says so", async (_what, line, code, words) => {
    const { publicFile } = opensslKey("hsm")
    const signer = await open({
      command: { line, publicKeyFile: publicFile, timeoutMs: line.startsWith("sleep") ? 300 : 20_000 },
    })
    await expect(signer.sign(bytes)).rejects.toMatchObject({ code, message: expect.stringContaining(words) })
  })

  it("by a command ends with the build, and leaves no process behind", async () => {
    const { publicFile } = opensslKey("hsm")
    const interrupted = new AbortController()
    const line = `sleep 61 & echo $! > ${file("pid")}; sleep 61`
    const signer = await open({ command: { line, publicKeyFile: publicFile } }, interrupted.signal)
    const signing = signer.sign(bytes)
    while (!readdirSync(home.root).includes("pid") || readFileSync(file("pid"), "utf8") === "") {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    interrupted.abort(new Error("stopped"))
    await expect(signing).rejects.toThrow("stopped")
    const pid = Number(readFileSync(file("pid"), "utf8"))
    const alive = () => {
      try {
        return !/^\d+ \(sleep\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8"))
      } catch {
        return false
      }
    }
    for (let round = 0; alive() && round < 200; round += 1)
      await new Promise((resolve) => setTimeout(resolve, 20))
    expect(alive()).toBe(false)
  })

  it("by two ways at once is refused", async () => {
    const { privateFile, publicFile } = opensslKey("ci")
    const choice = { keyFile: privateFile, command: { line: "true", publicKeyFile: publicFile } }
    await expect(open(choice)).rejects.toMatchObject({ code: "sign/two-ways" })
  })
})

describe("who is to sign", () => {
  it("is the command line's choice before the environment's", () => {
    const environment = { STEREO_SIGNING_KEY: "/e.pem" }
    expect(readSigningChoice({}, environment)).toEqual({ keyFile: "/e.pem" })
    expect(readSigningChoice({ signingKey: "/c.pem" }, environment)).toEqual({ keyFile: "/c.pem" })
    expect(readSigningChoice({ signingCommand: "s", signingPublicKey: "p" }, environment)).toEqual({
      command: { line: "s", publicKeyFile: "p" },
    })
    expect(readSigningChoice({}, {})).toEqual({})
  })

  it("is nobody when a command comes without its key", () => {
    expect(() => readSigningChoice({}, { STEREO_SIGNING_COMMAND: "s" })).toThrow(/public key/)
    const alone = { signingPublicKey: "p" }
    expect(() => readSigningChoice(alone, { STEREO_SIGNING_KEY: "/e.pem" })).toThrow(/no command/)
    expect(readSigningChoice(alone, { STEREO_SIGNING_COMMAND: "s" })).toEqual({
      command: { line: "s", publicKeyFile: "p" },
    })
  })

  it("is an identity only when that is asked for: a CI's token alone is no wish to stand in a public log", () => {
    const github = { ACTIONS_ID_TOKEN_REQUEST_URL: "x", ACTIONS_ID_TOKEN_REQUEST_TOKEN: "y" }
    expect(readSigningChoice({}, github)).toEqual({})
    expect(readSigningChoice({ keyless: true }, github)).toEqual({ keyless: {} })
    expect(readSigningChoice({}, { SIGSTORE_ID_TOKEN: "t", STEREO_REKOR_URL: "r" })).toEqual({
      keyless: { rekorUrl: "r" },
    })
  })
})

it("a home without keys trusts nobody", async () => {
  mkdirSync(home.trustedKeys, { recursive: true })
  expect(await readTrustedKeys(home)).toEqual([])
})
