/** What an image is made of, as both kinds of bills of material need it. */

export interface Component {
  /** The package-url: what the documents call it, and what scanners look up. */
  readonly purl: string
  readonly kind: "deb" | "npm" | "own"
  readonly name: string
  readonly version: string
  /** Of the archive that it came in; null: it came inside of another package's. */
  readonly digest: { readonly algorithm: "sha256" | "sha512"; readonly hex: string } | null
  /** Licences by the names that the package gives them; none: it names none that can be read. */
  readonly licenses: readonly string[]
  readonly supplier: string | null
  readonly homepage: string | null
  readonly description: string | null
  /** The Debian source package that it was built from. */
  readonly source: { readonly name: string; readonly version: string } | null
  /** What is said of how it got here, where that is not plain. */
  readonly note: string | null
  readonly files: readonly ComponentFile[]
}

export interface ComponentFile {
  /** Absolute, in the image's root; of the image's own parts beside the root, their name alone. */
  readonly path: string
  readonly sha256: string
  readonly sha1: string
}

/** A file that the definition puts there: from a file of the project, a template, a bundle. */
export interface DefinedFile extends ComponentFile {
  /** Where its bytes come from. */
  readonly from: string
}

export interface BillOfMaterial {
  /** The name that the image is kept under. */
  readonly image: string
  /** sha256 of the plan. */
  readonly plan: string
  /** sha256 of inventory.json, from which ids follow. */
  readonly inventorySha256: string
  /** ISO 8601 in whole seconds: the packages' date, not that of the build. */
  readonly created: string
  /** Of stereo. */
  readonly toolVersion: string
  /** Sorted by package-url. */
  readonly components: readonly Component[]
  /** Sorted by path. */
  readonly defined: readonly DefinedFile[]
}
