/**
 * What SPDX 2.3 demands of the parts of a document that are written here, as a JSON schema of our own: its
 * official one is in no package of npm or Debian. Field by field after the specification's clauses 6 to 11;
 * stricter in that unknown fields are refused.
 */

const text = { type: "string", minLength: 1 } as const
const elementId = { type: "string", pattern: "^SPDXRef-[a-zA-Z0-9.-]+$" } as const

const checksum = (algorithms: readonly string[]) => ({
  type: "object",
  required: ["algorithm", "checksumValue"],
  additionalProperties: false,
  properties: { algorithm: { enum: algorithms }, checksumValue: { type: "string", pattern: "^[0-9a-f]+$" } },
})

const licenseName = "(?:[A-Za-z0-9.+-]+|LicenseRef-[A-Za-z0-9.-]+)"
/** Names, AND, OR and brackets; or that nothing is said. */
const licenseExpression = {
  type: "string",
  pattern: `^(?:NOASSERTION|NONE|\\(*${licenseName}\\)*(?: (?:AND|OR) \\(*${licenseName}\\)*)*)$`,
} as const

const describedPackage = {
  type: "object",
  required: ["SPDXID", "name", "downloadLocation", "versionInfo", "filesAnalyzed"],
  additionalProperties: false,
  properties: {
    SPDXID: elementId,
    name: text,
    versionInfo: text,
    downloadLocation: text,
    // without it a verification code over the files would be demanded
    filesAnalyzed: { const: false },
    licenseConcluded: licenseExpression,
    licenseDeclared: licenseExpression,
    copyrightText: text,
    summary: text,
    comment: text,
    homepage: { type: "string", format: "uri" },
    supplier: { type: "string", pattern: "^(?:NOASSERTION|(?:Person|Organization): .+)$" },
    primaryPackagePurpose: {
      enum: [
        "APPLICATION",
        "FRAMEWORK",
        "LIBRARY",
        "CONTAINER",
        "OPERATING_SYSTEM",
        "DEVICE",
        "FIRMWARE",
        "SOURCE",
        "ARCHIVE",
        "FILE",
        "INSTALL",
        "OTHER",
      ],
    },
    checksums: { type: "array", minItems: 1, items: checksum(["SHA256", "SHA512"]) },
    externalRefs: {
      type: "array",
      items: {
        type: "object",
        required: ["referenceCategory", "referenceType", "referenceLocator"],
        additionalProperties: false,
        properties: {
          referenceCategory: { enum: ["SECURITY", "PACKAGE-MANAGER", "PERSISTENT-ID", "OTHER"] },
          referenceType: { enum: ["purl"] },
          referenceLocator: { type: "string", pattern: "^pkg:[a-z]+/[^ ]+@[^ ]+$" },
        },
      },
    },
  },
} as const

const describedFile = {
  type: "object",
  required: ["SPDXID", "fileName", "checksums"],
  additionalProperties: false,
  properties: {
    SPDXID: elementId,
    fileName: { type: "string", pattern: "^\\./." },
    comment: text,
    // clause 8.4: SHA1 is mandatory
    checksums: {
      type: "array",
      minItems: 1,
      contains: { type: "object", properties: { algorithm: { const: "SHA1" } } },
      items: checksum(["SHA1", "SHA256"]),
    },
  },
} as const

const relationship = {
  type: "object",
  required: ["spdxElementId", "relationshipType", "relatedSpdxElement"],
  additionalProperties: false,
  properties: {
    spdxElementId: elementId,
    relatedSpdxElement: elementId,
    relationshipType: { enum: ["DESCRIBES", "CONTAINS", "GENERATED_FROM"] },
  },
} as const

export const spdxSchema = {
  type: "object",
  required: [
    "spdxVersion",
    "dataLicense",
    "SPDXID",
    "name",
    "documentNamespace",
    "creationInfo",
    "packages",
    "relationships",
  ],
  additionalProperties: false,
  properties: {
    spdxVersion: { const: "SPDX-2.3" },
    dataLicense: { const: "CC0-1.0" },
    SPDXID: { const: "SPDXRef-DOCUMENT" },
    name: text,
    // clause 6.5: a URI without a fragment
    documentNamespace: { type: "string", format: "uri", pattern: "^[^#]+$" },
    creationInfo: {
      type: "object",
      required: ["created", "creators"],
      additionalProperties: false,
      properties: {
        created: { type: "string", pattern: "^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$" },
        creators: {
          type: "array",
          minItems: 1,
          items: { type: "string", pattern: "^(?:Tool|Person|Organization): .+$" },
        },
      },
    },
    packages: { type: "array", minItems: 1, items: describedPackage },
    files: { type: "array", minItems: 1, items: describedFile },
    relationships: { type: "array", minItems: 1, items: relationship },
    hasExtractedLicensingInfos: {
      type: "array",
      items: {
        type: "object",
        required: ["licenseId", "extractedText"],
        additionalProperties: false,
        properties: {
          licenseId: { type: "string", pattern: "^LicenseRef-[A-Za-z0-9.-]+$" },
          extractedText: text,
          name: text,
        },
      },
    },
  },
} as const
