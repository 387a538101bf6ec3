/** Gives each file of an image to what accounts for it. A file that nothing accounts for fails the build. Pure. */

import { Fault } from "../../contract/fault.ts"
import type { Inventory, InventoryEntry } from "../../contract/inventory.ts"
import { packageUrl, readDigest } from "../../contract/package-url.ts"
import type { PackageRecord } from "../package-record.ts"
import type { Component, ComponentFile, DefinedFile } from "./component.ts"
import type { HashedTree } from "./hash-tree.ts"
import { readCopyrightLicenses } from "./read-copyright.ts"
import { type NpmFacts, parseNpmPackage } from "./read-npm-package.ts"

/** An npm package that the plan names, with where its files lie in the image. */
export interface PlacedNpm {
  readonly facts: NpmFacts
  readonly integrity: string
  /** Its folder, or the files that were taken out of it. */
  readonly folder: string | null
  readonly files: readonly string[]
}

export interface Contents {
  readonly inventory: Inventory
  readonly tree: HashedTree
  readonly root: readonly PackageRecord[]
  /** Of these, parts are in the kernel's file and the initramfs. */
  readonly boot: readonly PackageRecord[]
  readonly npm: readonly PlacedNpm[]
  /** Programs that were bundled, by their path, with what is inside of them. */
  readonly programs: ReadonlyMap<string, readonly BundledFacts[]>
  /** The project's own programs are a package, too. */
  readonly own: { readonly version: string; readonly license: string }
}

export interface BundledFacts extends Omit<NpmFacts, "description"> {
  readonly integrity: string | null
}

export interface Collected {
  readonly components: readonly Component[]
  readonly defined: readonly DefinedFile[]
}

type Draft = Omit<Component, "files"> & { readonly files: ComponentFile[] }

export function collectComponents(contents: Contents): Collected {
  const drafts = new Map<string, Draft>()
  const defined: DefinedFile[] = []
  const add = (draft: Draft, file?: ComponentFile) => {
    const known = drafts.get(draft.purl) ?? draft
    if (file) known.files.push(file)
    drafts.set(draft.purl, known)
  }
  const ownerOf = openOwners(contents)
  for (const entry of contents.inventory.entries) {
    const owner = ownerOf(entry)
    if (entry.kind !== "file") continue
    const file = fileOf(contents.tree, entry)
    if (owner !== null) add(owner, file)
    else defined.push({ ...file, from: entry.origin.slice("definition:".length) })
  }
  for (const record of contents.boot) add(debComponent(record, "parts of it are in vmlinuz or the initramfs"))
  for (const [path, packages] of contents.programs) {
    for (const each of packages) add(bundledComponent(each, path))
  }
  const byPurl = [...drafts.values()].sort((left, right) => (left.purl < right.purl ? -1 : 1))
  return { components: byPurl, defined }
}

/** Null: the definition itself put it there. Fault: `describe/unexplained`. */
function openOwners(contents: Contents): (entry: InventoryEntry) => Draft | null {
  const debs = new Map(contents.root.map((record) => [record.name, record]))
  const npmOf = openNpmOwners(contents)
  return (entry) => {
    const [, kind = "", name = ""] = /^(\w+):(.*)$/.exec(entry.origin) ?? []
    if (kind === "definition" && name !== "") {
      return contents.programs.has(entry.path) ? ownComponent(contents.own) : null
    }
    const deb = kind === "deb" ? debs.get(name) : undefined
    if (deb) return debComponent(deb, null)
    const npm = kind === "npm" ? npmOf(entry.path) : null
    if (npm) return npm
    throw new Fault(
      "describe/unexplained",
      `${entry.path} is said to come from ${entry.origin}, and no such package went into the image`,
      { hint: "prune it with a reason, or let the definition put it there itself" },
    )
  }
}

/** The package whose folder is nearest above a path; also one that lies inside of another's archive. */
function openNpmOwners({ npm, tree }: Contents): (path: string) => Draft | null {
  const byFolder = new Map<string, Draft>()
  const byFile = new Map<string, Draft>()
  for (const placed of npm) {
    const draft = npmComponent(placed.facts, placed.integrity, null)
    if (placed.folder !== null) byFolder.set(placed.folder, draft)
    for (const path of placed.files) byFile.set(path, draft)
  }
  const named = [...byFolder.keys()]
  for (const [folder, text] of tree.packageTexts) {
    const around = named.find((one) => folder.startsWith(`${one}/`))
    if (byFolder.has(folder) || around === undefined) continue
    const note = `inside of the archive of ${byFolder.get(around)?.name}`
    byFolder.set(folder, npmComponent(parseNpmPackage(text, folder), null, note))
  }
  return (path) => {
    const file = byFile.get(path)
    if (file) return file
    for (let folder = path; folder !== ""; folder = folder.slice(0, folder.lastIndexOf("/"))) {
      const draft = byFolder.get(folder)
      if (draft) return draft
    }
    // a folder above the packages is there because of them
    return [...byFolder].find(([folder]) => folder.startsWith(`${path}/`))?.[1] ?? null
  }
}

function fileOf(tree: HashedTree, entry: Extract<InventoryEntry, { kind: "file" }>): ComponentFile {
  const found = tree.files.get(entry.path)
  if (found?.sha256 === entry.sha256) return found
  throw new Fault("describe/other-bytes", `${entry.path}: the inventory and the tree do not agree on it`, {
    hint: "a defect of stereo, or the cache was changed: build again with an empty cache",
  })
}

function debComponent(record: PackageRecord, note: string | null): Draft {
  const { name, version, arch, sha256, source, sourceVersion, maintainer, homepage, description } = record
  return {
    purl: packageUrl({ kind: "deb", name, version, arch }),
    kind: "deb",
    ...{ name, version, note },
    digest: { algorithm: "sha256", hex: sha256 },
    licenses: record.copyright === null ? [] : readCopyrightLicenses(record.copyright),
    supplier: maintainer,
    homepage: homepage !== null && URL.canParse(homepage) ? homepage : null,
    description: description === "" ? null : description,
    source: { name: source, version: sourceVersion },
    files: [],
  }
}

function npmComponent(facts: NpmFacts, integrity: string | null, note: string | null): Draft {
  const { name, version, licenses, homepage, description } = facts
  return {
    purl: packageUrl({ kind: "npm", name, version }),
    kind: "npm",
    ...{ name, version, licenses, homepage, description, note },
    digest: integrity === null ? null : { algorithm: "sha512", hex: readDigest(integrity).hex },
    supplier: null,
    source: null,
    files: [],
  }
}

function bundledComponent({ integrity, ...facts }: BundledFacts, path: string): Draft {
  return npmComponent({ ...facts, description: null }, integrity, `inside of ${path}`)
}

function ownComponent({ version, license }: Contents["own"]): Draft {
  return {
    purl: `pkg:generic/stereo@${version}`,
    kind: "own",
    name: "stereo",
    version,
    digest: null,
    licenses: [license],
    supplier: null,
    homepage: null,
    description: "the guest's own programs, bundled from the project's sources",
    source: null,
    note: null,
    files: [],
  }
}
