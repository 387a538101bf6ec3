/** Reads the signed Release files that apt has taken: which suites they are of, and of which day. */

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { parseControl } from "../debian-control.ts"

/**
 * The newest Date in the folder of apt's lists, in seconds since 1970; a suite that is empty has one, too.
 * Faults: `lock/untrusted` for a suite in another's place, `lock/odd-list`.
 */
export async function readEpoch(lists: string): Promise<number> {
  const files = (await readdir(lists)).filter((name) => /_(?:In)?Release$/.test(name))
  const dates = await Promise.all(
    files.map(async (file) => {
      const release = parseControl(signedText(await readFile(join(lists, file), "utf8")))
      refuseOtherSuite(file, release)
      const date = release.get("Date") ?? ""
      const seconds = Date.parse(date) / 1000
      if (Number.isInteger(seconds)) return seconds
      throw new Fault("lock/odd-list", `${file} has no Date that reads: ${JSON.stringify(date)}`)
    }),
  )
  return Math.max(...dates)
}

/** Of a file that is signed in one piece only what is signed: apt also takes header lines of the armor that nobody signs. */
function signedText(text: string): string {
  if (!text.startsWith("-----BEGIN PGP SIGNED MESSAGE-----")) return text
  const [, signed = ""] = /^[ \t\r]*\n([\s\S]*?)^-----BEGIN PGP SIGNATURE-----/m.exec(text) ?? []
  return signed
}

/** apt only warns: whoever gives another suite's files for those of security would keep its updates away for ever. */
function refuseOtherSuite(file: string, release: ReadonlyMap<string, string>): void {
  const [, asked = ""] = /_dists_([^_]+)_(?:In)?Release$/.exec(file) ?? []
  const names = ["Codename", "Suite"].flatMap((field) => release.get(field) ?? [])
  if (names.includes(asked)) return
  throw new Fault(
    "lock/untrusted",
    `what the mirror gave for ${asked} was signed as ${names.join(", ") || "a suite without a name"}`,
    {
      hint: "ask another one (STEREO_DEBIAN_MIRROR, STEREO_DEBIAN_SECURITY_MIRROR): with this one updates may be missing",
    },
  )
}
