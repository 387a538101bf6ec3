/** Checks an image's files against its manifest, and the manifest's statements about them against the files. */

import { readdir } from "node:fs/promises"
import type { Manifest } from "../../contract/manifest.ts"
import { PROVENANCE_FILES } from "../../contract/provenance.ts"
import type { Finding } from "../verification.ts"
import { checkBills } from "./check-bills.ts"
import { MANIFEST_FILE } from "./check-subjects.ts"
import { checkPlainFile } from "./read-plain-file.ts"
import { openRootHasher } from "./root-hash.ts"

/**
 * `signature`: no other file is looked at, as before they are fetched. `start`: every file's bytes but the root
 * disk's, of which only the size is looked at: at boot dm-verity checks each block that is read under the manifest's
 * root hash. `all`: every byte, the root hash itself, and what lies there beside.
 */
export type Depth = "signature" | "start" | "all"

export async function checkContents(dir: string, manifest: Manifest, depth: Depth): Promise<Finding[]> {
  if (depth === "signature") return checkClaims(manifest)
  const { root, ...others } = manifest.files
  const found = await Promise.all(Object.values(others).map((file) => checkPlainFile(dir, file, "bytes")))
  const findings = [...checkClaims(manifest), ...found.filter((one) => one !== null)]
  if (depth === "start") {
    const finding = await checkPlainFile(dir, root, "size")
    return finding ? [...findings, finding] : findings
  }
  const bills = found.every((one) => one === null) ? await checkBills(dir, manifest) : []
  return [
    ...findings,
    ...bills,
    ...(await checkRoot(dir, manifest)),
    ...(await findUnexpected(dir, manifest)),
  ]
}

/** What a manifest says twice must be said alike: what a machine is measured against, and the root that it boots. */
export function checkClaims({ files, measurements, verity, kernel }: Manifest): Finding[] {
  const findings: Finding[] = []
  const measured = [
    { file: files.ruleset, digest: measurements.ruleset_sha256, what: "the packet filter" },
    { file: files.units, digest: measurements.units_sha256, what: "the units" },
  ]
  for (const { file, digest, what } of measured) {
    if (file.sha256 === digest) continue
    const reason = `a machine is to be measured against ${digest} for ${what}, and the file has sha256 ${file.sha256}`
    findings.push({ kind: "wrong-measurement", file: file.name, reason })
  }
  const booted = kernel.command_line.split(" ").filter((word) => word.startsWith("stereo.root="))
  const expected = `stereo.root=${verity.root_hash}:${verity.salt}:${verity.data_blocks}`
  if (booted.length !== 1 || booted[0] !== expected) {
    const reason = `the kernel's command line does not boot the root that [verity] names: expected ${expected}`
    findings.push({ kind: "wrong-root-hash", file: MANIFEST_FILE, reason })
  }
  const names = Object.values(files).map(({ name }) => name)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) findings.push({ kind: "bad-manifest", file: twice, reason: "it is named twice" })
  return findings
}

async function checkRoot(dir: string, { files: { root }, verity }: Manifest): Promise<Finding[]> {
  const hasher = openRootHasher(verity)
  const finding = await checkPlainFile(dir, root, "bytes", (chunk) => hasher.add(chunk))
  if (finding && finding.kind !== "wrong-hash") return [finding]
  const rootHash = hasher.digest()
  if (rootHash === verity.root_hash) return finding ? [finding] : []
  const reason =
    rootHash === null
      ? `it has fewer than the ${verity.data_blocks} blocks that the manifest names`
      : `its dm-verity root hash is ${rootHash}, and the manifest says ${verity.root_hash}`
  return [...(finding ? [finding] : []), { kind: "wrong-root-hash", file: root.name, reason }]
}

/** Nobody vouches for it, and whoever gets the folder may take it for a part of the image; nor for what is no file. */
async function findUnexpected(dir: string, { files }: Manifest): Promise<Finding[]> {
  const known = new Set([
    ...[MANIFEST_FILE, ...Object.values(PROVENANCE_FILES)],
    ...Object.values(files).map(({ name }) => name),
  ])
  const entries = await readdir(dir, { withFileTypes: true })
  const unexpected = entries
    .filter(({ name }) => !known.has(name))
    .map(({ name }) => name)
    .sort()
    .map((file): Finding => ({ kind: "unexpected-file", file, reason: "the manifest does not name it" }))
  // the only one of those that are known which need not have been read by now
  const bundle = entries.find(({ name }) => name === PROVENANCE_FILES.bundle)
  if (bundle === undefined || bundle.isFile()) return unexpected
  return [...unexpected, { kind: "not-a-plain-file", file: bundle.name, reason: "it is a link or a folder" }]
}
