/** Reads `site.toml` and the authority beside it. */

import { X509Certificate } from "node:crypto"
import { readFile } from "node:fs/promises"
import { dirname, resolve } from "node:path"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { type Site, site } from "../../contract/site.ts"
import { lineOfKey, parseToml } from "../../contract/toml.ts"

/** `gateway.ca` of the answer is the certificate itself. Faults: `site/unreadable`, `site/bad-toml`, `site/bad-field`. */
export async function readSite(file: string): Promise<Site> {
  const text = await read(file)
  const parsed = parseToml({ text, file, stage: "site" }, site)
  const place = `${file}:${lineOfKey(text, ["gateway", "ca"])}: gateway.ca`
  const ca = await read(resolve(dirname(file), parsed.gateway.ca), place)
  return { ...parsed, gateway: { ...parsed.gateway, ca: readAuthority(ca, place) } }
}

/** As OpenSSL would write it, so that what stands around it changes nothing in the image. */
function readAuthority(text: string, place: string): string {
  try {
    const certificate = new X509Certificate(text)
    if (!certificate.ca) throw new Error("it is no authority's certificate")
    return certificate.toString()
  } catch (cause) {
    throw new Fault("site/bad-field", `${place}: expected a certificate in PEM: ${reasonOf(cause)}`, {
      hint: "the certificate of the authority that signed the gateway's, and no key",
      cause,
    })
  }
}

/** `place` is where the path was said; absent: on the command line. */
async function read(path: string, place?: string): Promise<string> {
  try {
    return await readFile(path, "utf8")
  } catch (cause) {
    const where = place === undefined ? path : `${place}: ${path}`
    // Node's own message names the path again
    const reason = reasonOf(cause).replace(`, open '${path}'`, "")
    throw new Fault("site/unreadable", `${where} cannot be read: ${reason}`, {
      hint: "docs/ec2.md shows a site.toml",
      cause,
    })
  }
}
