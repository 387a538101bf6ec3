/** Renders a bill of material as SPDX 2.3 in JSON. Pure: the same image gives the same bytes. */

import { createHash } from "node:crypto"
import type { BillOfMaterial, Component, ComponentFile } from "./component.ts"
import { licenseExpression } from "./license-expression.ts"

const DOCUMENT = "SPDXRef-DOCUMENT"
const IMAGE = "SPDXRef-image"
const UNKNOWN = "NOASSERTION"

export function renderSpdx(bill: BillOfMaterial): string {
  const { image, inventorySha256, created, toolVersion, components, defined, plan } = bill
  const licenses = new Map<string, string>()
  const files = [...components.flatMap((component) => component.files), ...defined]
  const document = {
    spdxVersion: "SPDX-2.3",
    dataLicense: "CC0-1.0",
    SPDXID: DOCUMENT,
    name: `stereo image ${image}`,
    documentNamespace: `urn:stereo:spdx:${image}:${inventorySha256}`,
    creationInfo: { created, creators: [`Tool: stereo-${toolVersion}`] },
    packages: [
      {
        SPDXID: IMAGE,
        name: image,
        versionInfo: plan,
        downloadLocation: UNKNOWN,
        filesAnalyzed: false,
        licenseConcluded: UNKNOWN,
        licenseDeclared: UNKNOWN,
        copyrightText: UNKNOWN,
        primaryPackagePurpose: "OPERATING_SYSTEM",
      },
      ...components.map((component) => describePackage(component, licenses)),
    ],
    files: [
      ...components.flatMap((component) => component.files.map((file) => describeFile(file, null))),
      ...defined.map((file) => describeFile(file, `put there by the definition: ${file.from}`)),
    ],
    relationships: [
      relate(DOCUMENT, "DESCRIBES", IMAGE),
      ...components.map((component) => relate(IMAGE, "CONTAINS", packageId(component))),
      ...components.flatMap((component) =>
        component.files.map((file) => relate(packageId(component), "CONTAINS", fileId(file))),
      ),
      ...defined.map((file) => relate(IMAGE, "CONTAINS", fileId(file))),
    ],
    hasExtractedLicensingInfos: [...licenses]
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([licenseId, name]) => ({
        licenseId,
        name,
        extractedText: `What packages of this image call "${name}"; the text is in their copyright files.`,
      })),
  }
  return renderLines(document, files.length)
}

/** An entry a line: two images can then be compared by a text's tools. */
function renderLines(document: Readonly<Record<string, unknown>>, fileCount: number): string {
  const parts = Object.entries(document)
    // the schema wants no empty list of files
    .filter(([key]) => key !== "files" || fileCount > 0)
    .map(([key, value]) => {
      if (!Array.isArray(value)) return `${JSON.stringify(key)}: ${JSON.stringify(value)}`
      return `${JSON.stringify(key)}: [\n${value.map((row) => JSON.stringify(row)).join(",\n")}\n]`
    })
  return `{\n${parts.join(",\n")}\n}\n`
}

function describePackage(component: Component, licenses: Map<string, string>) {
  const { name, version, digest, supplier, homepage, description, source, note, purl } = component
  const found = licenseExpression(component.licenses)
  for (const [reference, license] of found?.references ?? []) licenses.set(reference, license)
  const comment = [
    ...(source === null ? [] : [`built from source package ${source.name} ${source.version}`]),
    ...(note === null ? [] : [note]),
  ].join("; ")
  return {
    SPDXID: packageId(component),
    name,
    versionInfo: version,
    downloadLocation: UNKNOWN,
    // its files were hashed, but no verification code over all that its archive has can be given: some were pruned
    filesAnalyzed: false,
    licenseConcluded: UNKNOWN,
    licenseDeclared: found?.expression ?? UNKNOWN,
    copyrightText: UNKNOWN,
    externalRefs: [{ referenceCategory: "PACKAGE-MANAGER", referenceType: "purl", referenceLocator: purl }],
    ...(digest === null
      ? {}
      : { checksums: [{ algorithm: digest.algorithm.toUpperCase(), checksumValue: digest.hex }] }),
    ...(supplier === null ? {} : { supplier: `Organization: ${supplier}` }),
    ...(homepage === null ? {} : { homepage }),
    ...(description === null ? {} : { summary: description }),
    ...(comment === "" ? {} : { comment }),
  }
}

function describeFile(file: ComponentFile, comment: string | null) {
  return {
    SPDXID: fileId(file),
    fileName: `./${file.path.replace(/^\//, "")}`,
    checksums: [
      // which the specification demands of files
      { algorithm: "SHA1", checksumValue: file.sha1 },
      { algorithm: "SHA256", checksumValue: file.sha256 },
    ],
    ...(comment === null ? {} : { comment }),
  }
}

function relate(spdxElementId: string, relationshipType: string, relatedSpdxElement: string) {
  return { spdxElementId, relationshipType, relatedSpdxElement }
}

/** Ids may have letters, digits, dots and dashes alone: readable, and told apart by a hash. */
function packageId({ kind, name, purl }: Component): string {
  return `SPDXRef-${kind}-${name.replace(/[^A-Za-z0-9.]+/g, "-").replace(/^-/, "")}-${shortHash(purl)}`
}

function fileId({ path }: ComponentFile): string {
  return `SPDXRef-file-${shortHash(path)}`
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16)
}
