/** Renders a bill of material as CycloneDX 1.6 in JSON. Pure: the same image gives the same bytes. */

import { createHash } from "node:crypto"
import type { BillOfMaterial, Component, ComponentFile, DefinedFile } from "./component.ts"
import { licenseExpression } from "./license-expression.ts"

const IMAGE = "image"
const ALGORITHMS = { sha256: "SHA-256", sha512: "SHA-512" } as const

export function renderCycloneDx(bill: BillOfMaterial): string {
  const { image, plan, created, toolVersion, components, defined } = bill
  const described = [...components.map(describePackage), ...defined.map(describeDefined)]
  const parts = {
    $schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    serialNumber: `urn:uuid:${uuidOf(bill)}`,
    version: 1,
    metadata: {
      timestamp: created,
      tools: { components: [{ type: "application", name: "stereo", version: toolVersion }] },
      component: { "bom-ref": IMAGE, type: "operating-system", name: image, version: plan },
    },
    components: described,
    dependencies: [
      { ref: IMAGE, dependsOn: [...components.map(({ purl }) => purl), ...defined.map(fileRef)] },
    ],
    compositions: [{ aggregate: "complete", assemblies: [IMAGE] }],
  }
  const lines = Object.entries(parts).map(([key, value]) => {
    // an entry a line: two images can then be compared by a text's tools
    if (key !== "components") return `${JSON.stringify(key)}: ${JSON.stringify(value)}`
    return `"components": [\n${described.map((row) => JSON.stringify(row)).join(",\n")}\n]`
  })
  return `{\n${lines.join(",\n")}\n}\n`
}

function describePackage(component: Component) {
  const { purl, kind, name, version, digest, supplier, homepage, description, source, note, files } =
    component
  const expression = licenseExpression(component.licenses)?.expression
  const properties = [
    ...(source === null
      ? []
      : [
          { name: "stereo:debian:source", value: source.name },
          { name: "stereo:debian:source-version", value: source.version },
        ]),
    ...(note === null ? [] : [{ name: "stereo:note", value: note }]),
  ]
  const { group, rest } = splitName(kind, name)
  return {
    "bom-ref": purl,
    type: "library",
    ...(group === null ? {} : { group }),
    name: rest,
    version,
    purl,
    ...(supplier === null ? {} : { supplier: { name: supplier } }),
    ...(description === null ? {} : { description }),
    ...(expression === undefined ? {} : { licenses: [{ expression, acknowledgement: "declared" }] }),
    ...(digest === null ? {} : { hashes: [{ alg: ALGORITHMS[digest.algorithm], content: digest.hex }] }),
    ...(homepage === null ? {} : { externalReferences: [{ type: "website", url: homepage }] }),
    ...(properties.length === 0 ? {} : { properties }),
    ...(files.length === 0 ? {} : { components: files.map(describeFile) }),
  }
}

/** npm's scopes are CycloneDX's groups. */
function splitName(kind: Component["kind"], name: string): { group: string | null; rest: string } {
  const slash = name.indexOf("/")
  if (kind !== "npm" || slash === -1) return { group: null, rest: name }
  return { group: name.slice(0, slash), rest: name.slice(slash + 1) }
}

function describeFile(file: ComponentFile) {
  return {
    "bom-ref": fileRef(file),
    type: "file",
    name: file.path,
    hashes: [{ alg: "SHA-256", content: file.sha256 }],
  }
}

function describeDefined(file: DefinedFile) {
  return { ...describeFile(file), properties: [{ name: "stereo:definition", value: file.from }] }
}

function fileRef({ path }: ComponentFile): string {
  return `file:${path}`
}

/** Of this bill and no other, and the same each time (the form of version 8, which leaves the bits to the maker). */
function uuidOf({ image, plan, inventorySha256 }: BillOfMaterial): string {
  const hex = createHash("sha256").update(`cyclonedx ${image} ${plan} ${inventorySha256}`).digest("hex")
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-8$3-9$4-$5")
}
