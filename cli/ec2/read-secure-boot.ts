/** What `publish ec2` is told of Secure Boot: how the disk gets its signature, and what tells the AMI from another of its image. */

import { createHash, X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import type { ExportRequest } from "../../builder/export-image.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { SecureBoot } from "../../publish/ec2/secure-boot.ts"

export interface SecureBootOptions {
  readonly uefiData?: string
  readonly secureBootKey?: string
  readonly secureBootCert?: string
  readonly signedUki?: string
}

export interface SecureBootChoice {
  readonly signing: ExportRequest["signing"]
  readonly secureBoot: SecureBoot
}

const MAX_UEFI_DATA = 64_000

/** Faults: `export/half-a-key`, `ec2/bad-certificate`, `ec2/bad-signed-uki`, `ec2/bad-uefi-data`. */
export async function readSecureBoot(options: SecureBootOptions): Promise<SecureBootChoice> {
  const signing = readSigning(options)
  const signature = await identify(signing)
  return { signing, secureBoot: { signature, uefiData: await readUefiData(options.uefiData) } }
}

/** Null: not for Secure Boot. */
function readSigning({ secureBootKey: key, secureBootCert: certificate, signedUki }: SecureBootOptions) {
  if (key === undefined && certificate === undefined) return signedUki === undefined ? null : { signedUki }
  if (key !== undefined && certificate !== undefined && signedUki === undefined) return { key, certificate }
  throw new Fault(
    "export/half-a-key",
    "a signature needs both a key and its certificate, or is there already",
    {
      hint: "give --secure-boot-key and --secure-boot-cert together, or --signed-uki alone",
    },
  )
}

async function identify(signing: ExportRequest["signing"]): Promise<SecureBoot["signature"]> {
  if (signing === null) return "none"
  if ("signedUki" in signing) return `uki:${sha256(await readInput(signing.signedUki, "bad-signed-uki"))}`
  const pem = await readInput(signing.certificate, "bad-certificate")
  try {
    // what it says, and not how the file is written
    return `certificate:${sha256(new X509Certificate(pem).raw)}`
  } catch (cause) {
    throw new Fault(
      "ec2/bad-certificate",
      `${signing.certificate} is not a certificate: ${reasonOf(cause)}`,
      {
        hint: "it is a PEM file: openssl req -new -x509 -newkey rsa:2048 -noenc -subj /CN=db -keyout db.key -out db.crt",
        cause,
      },
    )
  }
}

/** Base64, at most what RegisterImage takes. */
async function readUefiData(file: string | undefined): Promise<string | null> {
  if (file === undefined) return null
  const data = (await readInput(file, "bad-uefi-data")).toString("utf8").replace(/\s/g, "")
  if (/^[A-Za-z0-9+/]+=*$/.test(data) && data.length <= MAX_UEFI_DATA) return data
  throw new Fault("ec2/bad-uefi-data", `${file}: expected at most ${MAX_UEFI_DATA} characters of base64`, {
    hint: "virt-fw-vars --output-aws FILE writes it from a store with your keys",
  })
}

async function readInput(file: string, code: string): Promise<Buffer> {
  return readFile(file).catch((cause: unknown) => {
    throw new Fault(`ec2/${code}`, `${file} cannot be read: ${reasonOf(cause)}`, { cause })
  })
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex")
}
