/** The text of a lock: a line a package, so that a change of one is a change of one line. */

import type { ImageLock, LockedDeb, LockedNpm } from "../../contract/image-lock.ts"

const HEAD = "# Written by `stereo lock`, from Release files that Debian signed: not to be edited."

export function renderLock(lock: ImageLock): string {
  const day = new Date(lock.epoch * 1000).toISOString()
  return [
    HEAD,
    `schema = ${lock.schema}`,
    `suite = ${quote(lock.suite)}`,
    `arch = ${quote(lock.arch)}`,
    `epoch = ${lock.epoch} # ${day}`,
    ...renderNames("root", lock.root),
    ...renderNames("boot", lock.boot),
    "deb = [",
    ...lock.deb.map((deb) => `  ${renderDeb(deb)},`),
    "]",
    "npm = [",
    ...lock.npm.map((npm) => `  ${renderNpm(npm)},`),
    "]",
    "",
  ].join("\n")
}

function renderNames(key: string, names: readonly string[]): string[] {
  return [`${key} = [`, ...names.map((name) => `  ${quote(name)},`), "]"]
}

function renderDeb({ name, version, arch, parts, suite, size_bytes, sha256, path }: LockedDeb): string {
  const fields = [
    ["name", quote(name)],
    ["version", quote(version)],
    ["arch", quote(arch)],
    ["parts", `[${parts.map(quote).join(", ")}]`],
    ["suite", quote(suite)],
    ["size_bytes", String(size_bytes)],
    ["sha256", quote(sha256)],
    ["path", quote(path)],
  ]
  return renderTable(fields)
}

function renderNpm({ name, version, integrity, size_bytes }: LockedNpm): string {
  return renderTable([
    ["name", quote(name)],
    ["version", quote(version)],
    ["integrity", quote(integrity)],
    ["size_bytes", String(size_bytes)],
  ])
}

function renderTable(fields: readonly (readonly string[])[]): string {
  return `{ ${fields.map(([key, value]) => `${key} = ${value}`).join(", ")} }`
}

/** What JSON writes for such texts is a basic string of TOML, too. */
function quote(text: string): string {
  return JSON.stringify(text)
}
