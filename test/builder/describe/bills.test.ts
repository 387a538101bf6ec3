import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import type { BillOfMaterial, Component } from "../../../builder/describe/component.ts"
import { renderCycloneDx } from "../../../builder/describe/render-cyclonedx.ts"
import { renderSpdx } from "../../../builder/describe/render-spdx.ts"
import { compileCycloneDx, compileSpdx } from "./compile-schemas.ts"

const digest = (text: string, algorithm: "sha1" | "sha256" | "sha512" = "sha256") =>
  createHash(algorithm).update(text).digest("hex")
const file = (path: string) => ({ path, sha256: digest(path), sha1: digest(path, "sha1") })

const bash: Component = {
  purl: "pkg:deb/debian/bash@5.2.37-2%2Bb5?arch=amd64&distro=trixie",
  kind: "deb",
  name: "bash",
  version: "5.2.37-2+b5",
  digest: { algorithm: "sha256", hex: digest("bash") },
  licenses: ["GPL-3+", "GPL-1+ or Artistic, and Expat", "public-domain"],
  supplier: "Matthias Klose <doko@debian.org>",
  homepage: "http://tiswww.case.edu/php/chet/bash/bashtop.html",
  description: "GNU Bourne Again SHell",
  source: { name: "bash", version: "5.2.37-2" },
  note: null,
  files: [file("/usr/bin/bash"), file("/etc/bash.bashrc")],
}

const bill: BillOfMaterial = {
  image: "base",
  plan: digest("plan"),
  inventorySha256: digest("inventory"),
  created: "2026-11-21T12:00:00Z",
  toolVersion: "0.1.0",
  components: [
    bash,
    {
      ...bash,
      purl: "pkg:npm/%40scope/name@1.0.0",
      kind: "npm",
      name: "@scope/name",
      version: "1.0.0",
      digest: { algorithm: "sha512", hex: digest("npm", "sha512") },
      licenses: ["SEE LICENSE IN README.md"],
      source: null,
      note: "inside of /usr/lib/stereo/agent.mjs",
      files: [file("/usr/lib/x.js")],
    },
    {
      ...bash,
      purl: "pkg:npm/plain@2.0.0",
      kind: "npm",
      name: "plain",
      version: "2.0.0",
      digest: null,
      licenses: [],
      supplier: null,
      homepage: null,
      description: null,
      source: null,
      files: [],
    },
  ],
  defined: [{ ...file("/etc/fstab"), from: "images/base/files/etc/fstab" }],
}

describe("CycloneDX", () => {
  it("is valid by the schema of version 1.6", () => {
    const document = JSON.parse(renderCycloneDx(bill))
    const validate = compileCycloneDx()
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true)
    expect(document).toMatchObject({
      specVersion: "1.6",
      metadata: { timestamp: bill.created },
      components: [
        { purl: bash.purl },
        { group: "@scope", name: "name" },
        { name: "plain" },
        { type: "file" },
      ],
    })
  })

  it("would not be without what the schema demands: the test can fail", () => {
    const validate = compileCycloneDx()
    const broken = (change: (document: { components: Record<string, unknown>[] }) => void) => {
      const document = JSON.parse(renderCycloneDx(bill))
      change(document)
      return validate(document)
    }
    expect(broken((document) => delete document.components[0]?.["name"])).toBe(false)
    expect(broken((document) => Object.assign(document.components[0] ?? {}, { type: "thing" }))).toBe(false)
    expect(broken((document) => Object.assign(document, { serialNumber: "1" }))).toBe(false)
  })
})

describe("SPDX", () => {
  it("is valid by what version 2.3 demands of documents", () => {
    const validate = compileSpdx()
    const document = JSON.parse(renderSpdx(bill))
    expect(validate(document), JSON.stringify(validate.errors)).toBe(true)
    expect(document.packages[1].licenseDeclared).toBe(
      "(GPL-1.0-or-later OR Artistic-1.0) AND GPL-3.0-or-later AND LicenseRef-public-domain AND MIT",
    )
    expect(
      document.hasExtractedLicensingInfos.map(({ licenseId }: { licenseId: string }) => licenseId),
    ).toEqual(["LicenseRef-public-domain", "LicenseRef-see-license-in-readme.md"])
  })

  it("names only elements that it has, each once", () => {
    const document = JSON.parse(renderSpdx(bill))
    const ids: string[] = [
      document.SPDXID,
      ...[...document.packages, ...document.files].map(({ SPDXID }: { SPDXID: string }) => SPDXID),
    ]
    expect(new Set(ids).size).toBe(ids.length)
    for (const { spdxElementId, relatedSpdxElement } of document.relationships) {
      expect(ids).toContain(spdxElementId)
      expect(ids).toContain(relatedSpdxElement)
    }
  })

  it("would not be without what is demanded: the test can fail", () => {
    const document = JSON.parse(renderSpdx(bill))
    delete document.files[0].checksums
    expect(compileSpdx()(document)).toBe(false)
  })
})

it("the same image gives the same bytes, and nothing in them is by chance or by the clock", () => {
  expect(renderSpdx(bill)).toBe(renderSpdx(structuredClone(bill)))
  expect(renderCycloneDx(bill)).toBe(renderCycloneDx(structuredClone(bill)))
  const other = { ...bill, inventorySha256: digest("other") }
  expect(JSON.parse(renderCycloneDx(other)).serialNumber).not.toBe(
    JSON.parse(renderCycloneDx(bill)).serialNumber,
  )
})
