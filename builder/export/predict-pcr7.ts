/** What register 7 of a TPM holds when firmware with these keys has started a signed program: the Secure Boot policy. */

import { X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { extendPcr, sha256 } from "../extend-pcr.ts"
import { runTool } from "../tools-tree.ts"

export interface Pcr7Request {
  /** A variable store of OVMF, as `virt-fw-vars` writes it. */
  readonly variables: string
  /** PEM; the certificate that the program is signed with, which must be in `db` as it is. */
  readonly certificate: string
  readonly toolsDir: string
  readonly dir: string
  readonly logFile: string
  readonly signal: AbortSignal
}

const GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
const DATABASE = "d719b2cb-3d3a-4596-a3bc-dad00e67656f"
const X509 = "a5c059a1-94e4-4aa7-87b5-ab155c2bf072"
const GUID_BYTES = 16

const store = z.object({
  variables: z.array(z.object({ name: z.string(), guid: z.string(), data: z.string() })),
})

/**
 * In hex, of the bank sha256. TCG PC Client Platform Firmware Profile 1.05, section 3.3.4.8, as EDK2 does it.
 * Faults: `export/bad-variables`, `export/not-enrolled`.
 */
export async function predictPcr7(request: Pcr7Request): Promise<string> {
  const read = await readStore(request)
  const data = (guid: string, name: string) => {
    const found = read.variables.find((one) => one.name === name && one.guid === guid)
    return Buffer.from(found?.data ?? "", "hex")
  }
  const policy = (["PK", "KEK"] as const).map((name) => variable(GLOBAL, name, data(GLOBAL, name)))
  const databases = (["db", "dbx"] as const).map((name) => variable(DATABASE, name, data(DATABASE, name)))
  const authority = findEntry(data(DATABASE, "db"), await readCertificate(request.certificate))
  if (data(GLOBAL, "PK").length === 0 || authority === null) {
    const what = authority === null ? `has no ${request.certificate} in db` : "has no PK"
    throw new Fault(
      "export/not-enrolled",
      `${request.variables} ${what}: firmware would not start the disk`,
      {
        hint: "docs/formats.md says how to enrol keys of one's own",
      },
    )
  }
  const on = variable(GLOBAL, "SecureBoot", Buffer.from([1]))
  const separator = Buffer.alloc(4)
  return extendPcr(
    [on, ...policy, ...databases, separator, variable(DATABASE, "db", authority)].map((event) =>
      sha256(event),
    ),
  )
}

async function readStore(request: Pcr7Request): Promise<z.infer<typeof store>> {
  try {
    await runTool(request.toolsDir, {
      ...request,
      purpose: "the firmware's variables",
      workDir: request.dir,
      inputs: { variables: request.variables },
      command: ["virt-fw-vars", "-i", "/in/variables", "--output-json", "/work/variables.json"],
    })
    return store.parse(JSON.parse(await readFile(join(request.dir, "variables.json"), "utf8")))
  } catch (thrown) {
    request.signal.throwIfAborted()
    throw new Fault("export/bad-variables", `${request.variables}: ${reasonOf(thrown)}`, {
      hint: "expected a variable store of OVMF, such as virt-fw-vars writes",
      cause: thrown,
    })
  }
}

async function readCertificate(file: string): Promise<Buffer> {
  return new X509Certificate(await readFile(file)).raw
}

/** UEFI_VARIABLE_DATA: whose, how long the name and the value are, both. */
function variable(guid: string, name: string, value: Buffer): Buffer {
  const lengths = Buffer.alloc(16)
  lengths.writeBigUInt64LE(BigInt(name.length), 0)
  lengths.writeBigUInt64LE(BigInt(value.length), 8)
  return Buffer.concat([guidBytes(guid), lengths, Buffer.from(name, "utf16le"), value])
}

/** The EFI_SIGNATURE_DATA of a certificate among EFI_SIGNATURE_LISTs; null if it is not there. */
function findEntry(lists: Buffer, certificate: Buffer): Buffer | null {
  for (let at = 0; at + 28 <= lists.length; ) {
    const listBytes = lists.readUInt32LE(at + 16)
    const headerBytes = lists.readUInt32LE(at + 20)
    const entryBytes = lists.readUInt32LE(at + 24)
    if (listBytes < 28 || entryBytes <= GUID_BYTES) return null
    const isX509 = lists.subarray(at, at + GUID_BYTES).equals(guidBytes(X509))
    for (let entry = at + 28 + headerBytes; entry + entryBytes <= at + listBytes; entry += entryBytes) {
      const bytes = lists.subarray(entry, entry + entryBytes)
      if (isX509 && bytes.subarray(GUID_BYTES).equals(certificate)) return bytes
    }
    at += listBytes
  }
  return null
}

/** The first three parts are little-endian numbers. */
function guidBytes(guid: string): Buffer {
  const bytes = Buffer.from(guid.replaceAll("-", ""), "hex")
  return Buffer.concat([
    bytes.subarray(0, 4).reverse(),
    bytes.subarray(4, 6).reverse(),
    bytes.subarray(6, 8).reverse(),
    bytes.subarray(8),
  ])
}
