/** Names of packages that mean the same everywhere (package-url): what SBOMs, provenance and scanners agree on. */

export interface PackageName {
  readonly kind: "deb" | "npm"
  readonly name: string
  readonly version: string
  /** Of a Debian package; absent: the machine's own. */
  readonly arch?: string
}

const SUITE = "trixie"

/** For example `pkg:deb/debian/bash@5.2.37-2%2Bb5?arch=amd64&distro=trixie`. */
export function packageUrl({ kind, name, version, arch = "amd64" }: PackageName): string {
  const at = `@${encodePart(version)}`
  if (kind === "deb") return `pkg:deb/debian/${encodePart(name)}${at}?arch=${arch}&distro=${SUITE}`
  return `pkg:npm/${name.split("/").map(encodePart).join("/")}${at}`
}

/** The one sign that the form spells out although URIs would not. */
function encodePart(text: string): string {
  return encodeURIComponent(text).replaceAll("%3A", ":")
}

/** `sha512-BASE64`, as npm writes it, or `sha256:HEX`: as name and hex, as everybody else does. */
export function readDigest(digest: string): { readonly algorithm: string; readonly hex: string } {
  const [, algorithm = "", text = ""] = /^(\w+)[-:](.+)$/.exec(digest) ?? []
  const hex = digest.includes(":") ? text : Buffer.from(text, "base64").toString("hex")
  return { algorithm, hex }
}
