import { X509Certificate } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { readSecureBoot } from "../../cli/ec2/read-secure-boot.ts"
import { makeAuthority } from "../fakes/tls-gateway.ts"

const dir = mkdtempSync(join(tmpdir(), "stereo-secure-boot-"))
afterAll(() => rmSync(dir, { recursive: true }))

function write(name: string, text: string): string {
  const path = join(dir, name)
  writeFileSync(path, text)
  return path
}

describe("what publish ec2 is told of Secure Boot", () => {
  it("is the certificate, however its file is written, and the variable store without its line ends", async () => {
    const { cert } = makeAuthority(0)
    const options = {
      secureBootKey: "db.key",
      secureBootCert: write("db.crt", `the owner's\n${cert}\n`),
      uefiData: write("uefi", "QU1a\nTlVF\nRkk=\n"),
    }
    const sha256 = new X509Certificate(cert).fingerprint256.replaceAll(":", "").toLowerCase()
    expect(await readSecureBoot(options)).toEqual({
      signing: { key: "db.key", certificate: options.secureBootCert },
      secureBoot: { signature: `certificate:${sha256}`, uefiData: "QU1aTlVFRkk=" },
    })
  })

  it("is a kernel image's bytes where that was signed elsewhere, and nothing where nothing is said", async () => {
    const signedUki = write("uki.efi", "signed")
    expect((await readSecureBoot({ signedUki })).secureBoot.signature).toMatch(/^uki:[0-9a-f]{64}$/)
    expect(await readSecureBoot({})).toEqual({
      signing: null,
      secureBoot: { signature: "none", uefiData: null },
    })
  })

  it.each([
    ["a key without its certificate", { secureBootKey: "db.key" }, "export/half-a-key"],
    ["both ways at once", { secureBootCert: "a", secureBootKey: "b", signedUki: "c" }, "export/half-a-key"],
    ["no certificate", { secureBootKey: "k", secureBootCert: write("x", "x") }, "ec2/bad-certificate"],
    ["a kernel image that is not there", { signedUki: join(dir, "none") }, "ec2/bad-signed-uki"],
    ["a variable store that is not base64", { uefiData: write("raw", "\0\0") }, "ec2/bad-uefi-data"],
  ])("%s is refused", async (_what, options, code) => {
    await expect(readSecureBoot(options)).rejects.toMatchObject({ code })
  })
})
