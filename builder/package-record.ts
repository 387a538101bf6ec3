/** What a Debian package in an image says of itself. */

export interface PackageRecord {
  readonly name: string
  readonly version: string
  readonly arch: string
  /** sha256 of the .deb. */
  readonly sha256: string
  /** The source package that it was built from, with its own version. */
  readonly source: string
  readonly sourceVersion: string
  readonly section: string
  readonly maintainer: string
  readonly homepage: string | null
  /** Its first line. */
  readonly description: string
  /** The text of /usr/share/doc/NAME/copyright, which may lie in another package's folder; null: none is there. */
  readonly copyright: string | null
}
