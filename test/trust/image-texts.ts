/** The inventory and the bills of material of a test's image, which agree with each other. */

import { createHash } from "node:crypto"
import type { BillOfMaterial, ComponentFile } from "../../builder/describe/component.ts"
import { renderCycloneDx } from "../../builder/describe/render-cyclonedx.ts"
import { renderSpdx } from "../../builder/describe/render-spdx.ts"
import type { Inventory } from "../../contract/inventory.ts"

export interface ImageTexts {
  readonly inventory: string
  readonly spdx: string
  readonly cyclonedx: string
}

const digest = (text: string, algorithm: string) => createHash(algorithm).update(text).digest("hex")

/** `change` alters what the bills say, and not the inventory. */
export function renderImageTexts(
  name: string,
  change: (bill: BillOfMaterial) => BillOfMaterial = (same) => same,
): ImageTexts {
  const file = (path: string): ComponentFile => {
    return { path, sha256: digest(path, "sha256"), sha1: digest(path, "sha1") }
  }
  const inventory: Inventory = {
    schema: 1,
    entries: [
      { kind: "directory", path: "/etc", origin: "deb:base-files", mode: 0o755, uid: 0, gid: 0 },
      entryOf(file("/etc/hostname"), "definition:images/base/files/etc/hostname"),
      entryOf(file("/usr/bin/true"), "deb:coreutils"),
      entryOf(file("/usr/lib/node_modules/@a/b/index.js"), "npm:@a/b"),
      { kind: "link", path: "/usr/bin/yes", origin: "deb:coreutils", target: "true" },
    ],
  }
  const text = JSON.stringify(inventory)
  const component = {
    ...{
      licenses: [],
      supplier: null,
      homepage: null,
      description: null,
      source: null,
      note: null,
      digest: null,
    },
  }
  const bill = change({
    image: name,
    plan: "7".repeat(64),
    inventorySha256: digest(text, "sha256"),
    created: "2026-11-21T12:00:00Z",
    toolVersion: "0.1.0",
    components: [
      {
        ...component,
        ...{
          purl: "pkg:deb/debian/coreutils@9.7-3?arch=amd64&distro=trixie",
          kind: "deb",
          name: "coreutils",
          version: "9.7-3",
        },
        files: [file("/usr/bin/true")],
      },
      {
        ...component,
        ...{ purl: "pkg:npm/%40a/b@1.0.0", kind: "npm", name: "@a/b", version: "1.0.0" },
        files: [file("/usr/lib/node_modules/@a/b/index.js")],
      },
    ],
    defined: [{ ...file("/etc/hostname"), from: "images/base/files/etc/hostname" }],
  })
  return { inventory: text, spdx: renderSpdx(bill), cyclonedx: renderCycloneDx(bill) }
}

function entryOf({ path, sha256 }: ComponentFile, origin: string): Inventory["entries"][number] {
  return { kind: "file", path, origin, mode: 0o644, uid: 0, gid: 0, sha256, size_bytes: path.length }
}
