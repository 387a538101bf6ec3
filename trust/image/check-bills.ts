/** Checks that an image's bills of material leave nothing out: each file and each package that the inventory names. */

import { z } from "zod"
import { type Inventory, inventory as inventoryShape } from "../../contract/inventory.ts"
import type { Manifest } from "../../contract/manifest.ts"
import type { Finding } from "../verification.ts"
import { readPlainFile } from "./read-plain-file.ts"

/** Of an image with half a million files. */
const MAX_BYTES = 512 << 20
/** Findings shown of one document: the first say what is wrong. */
const MOST = 5

const spdx = z.looseObject({
  packages: z.array(
    z.looseObject({ externalRefs: z.array(z.looseObject({ referenceLocator: z.string() })).optional() }),
  ),
  files: z
    .array(
      z.looseObject({
        fileName: z.string(),
        checksums: z.array(z.looseObject({ algorithm: z.string(), checksumValue: z.string() })),
      }),
    )
    .default([]),
})
const hashes = z.array(z.looseObject({ alg: z.string(), content: z.string() })).default([])
const cycloneFile = z.looseObject({ type: z.string(), name: z.string(), purl: z.string().optional(), hashes })
const cycloneDx = z.looseObject({
  components: z.array(cycloneFile.extend({ components: z.array(cycloneFile).default([]) })),
})

/** What a document says of an image, whatever its form. */
interface Bill {
  /** sha256 by path. */
  readonly files: ReadonlyMap<string, string>
  /** Names of packages, by kind: `deb:bash`. */
  readonly packages: ReadonlySet<string>
}

export async function checkBills(dir: string, { files }: Manifest): Promise<Finding[]> {
  const inventory = await readJson(dir, files.inventory.name, inventoryShape)
  if ("finding" in inventory) return [inventory.finding]
  const [first, second] = await Promise.all([
    readJson(dir, files.spdx.name, spdx),
    readJson(dir, files.cyclonedx.name, cycloneDx),
  ])
  return [
    ...("finding" in first
      ? [first.finding]
      : compare(files.spdx.name, inventory.value, readSpdx(first.value))),
    ...("finding" in second
      ? [second.finding]
      : compare(files.cyclonedx.name, inventory.value, readCycloneDx(second.value))),
  ]
}

function compare(file: string, { entries }: Inventory, bill: Bill): Finding[] {
  const findings: Finding[] = []
  const incomplete = (reason: string) => findings.push({ kind: "incomplete-sbom", file, reason })
  for (const entry of entries) {
    if (entry.kind !== "file") continue
    const found = bill.files.get(entry.path)
    if (found === undefined) incomplete(`${entry.path} is in the image, and not in it`)
    else if (found !== entry.sha256) incomplete(`it names another ${entry.path} than the image has`)
  }
  const origins = entries.filter(({ kind }) => kind === "file").map(({ origin }) => origin)
  for (const origin of new Set(origins)) {
    if (origin.startsWith("definition:") || bill.packages.has(origin)) continue
    incomplete(`files of ${origin} are in the image, and the package is not in it`)
  }
  const paths = new Set(entries.map(({ path }) => path))
  for (const path of bill.files.keys()) {
    if (!paths.has(path)) incomplete(`it names ${path}, which the image does not have`)
  }
  return findings.slice(0, MOST)
}

function readSpdx({ packages, files }: z.infer<typeof spdx>): Bill {
  return {
    files: new Map(
      files.map(({ fileName, checksums }) => {
        const sha256 = checksums.find(({ algorithm }) => algorithm === "SHA256")?.checksumValue ?? ""
        return [fileName.replace(/^\./, ""), sha256]
      }),
    ),
    packages: namesOf(
      packages.flatMap(({ externalRefs = [] }) => externalRefs.map((one) => one.referenceLocator)),
    ),
  }
}

function readCycloneDx({ components }: z.infer<typeof cycloneDx>): Bill {
  const all = components.flatMap((one) => [one, ...one.components])
  return {
    files: new Map(
      all
        .filter(({ type }) => type === "file")
        .map((one) => [one.name, one.hashes.find(({ alg }) => alg === "SHA-256")?.content ?? ""]),
    ),
    packages: namesOf(all.flatMap(({ purl }) => purl ?? [])),
  }
}

/** `pkg:npm/%40scope/name@1.0` is `npm:@scope/name`. */
function namesOf(purls: readonly string[]): Set<string> {
  return new Set(
    purls.flatMap((purl) => {
      const [, kind, name] = /^pkg:(deb\/debian|npm)\/([^@?]+)@/.exec(purl) ?? []
      if (kind === undefined || name === undefined) return []
      return [`${kind === "npm" ? "npm" : "deb"}:${decodeURIComponent(name)}`]
    }),
  )
}

type ReadJson<Value> = { readonly value: Value } | { readonly finding: Finding }

async function readJson<Shape extends z.ZodType>(
  dir: string,
  file: string,
  shape: Shape,
): Promise<ReadJson<z.infer<Shape>>> {
  const read = await readPlainFile(dir, file, MAX_BYTES)
  if (read.kind === "finding") return { finding: read.finding }
  const bad = (reason: string) => ({ finding: { kind: "incomplete-sbom", file, reason } as const })
  let value: unknown
  try {
    value = JSON.parse(read.bytes.toString("utf8"))
  } catch (thrown) {
    return bad(`it is not JSON: ${String(thrown).slice(0, 200)}`)
  }
  const parsed = shape.safeParse(value)
  if (parsed.success) return { value: parsed.data }
  const [issue] = parsed.error.issues
  return bad(`${issue?.path.join(".") || "(document)"}: ${issue?.message ?? "is not what it should be"}`)
}
