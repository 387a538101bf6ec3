/** Two built images side by side: everything in which they differ. Pure. */

import type { InventoryEntry } from "../../contract/inventory.ts"
import type { Manifest } from "../../contract/manifest.ts"
import type { Change, FileChange, ImageDiff, ImageView } from "./image-view.ts"

export function compareImages(before: ImageView, after: ImageView): ImageDiff {
  const compare = (list: (view: ImageView) => Iterable<readonly [what: string, is: string]>) =>
    compareLists(list(before), list(after))
  return {
    before: { target: before.target, digest: before.digest },
    after: { target: after.target, digest: after.digest },
    settings: compare(({ manifest }) => listSettings(manifest)),
    packages: compare(({ manifest }) => listPackages(manifest)),
    files: compareFiles(before.inventory.entries, after.inventory.entries),
    units: compare(({ units }) =>
      units.map(({ path, kind, mode, content }) => [path, describeUnit(kind, mode, content)]),
    ),
    sysctls: compare(({ texts }) => listSysctls(texts.sysctls ?? "")),
    kernelOptions: compare(({ manifest }) => listOptions(manifest.kernel.command_line)),
    users: compare(({ texts }) => [
      ...listAccounts("user", texts.passwd ?? ""),
      ...listAccounts("group", texts.group ?? ""),
    ]),
    environment: compare(({ manifest }) => Object.entries(manifest.env)),
    sizes: compare(({ manifest }) =>
      Object.values(manifest.files).map(({ name, size_bytes }) => [name, String(size_bytes)]),
    ),
  }
}

/** Whether anything at all differs. */
export function imagesDiffer(diff: ImageDiff): boolean {
  return diff.before.digest !== diff.after.digest
}

function compareLists(
  before: Iterable<readonly [string, string]>,
  after: Iterable<readonly [string, string]>,
): Change[] {
  const first = new Map(before)
  const second = new Map(after)
  return [...new Set([...first.keys(), ...second.keys()])].sort().flatMap((what) => {
    const [was, is] = [first.get(what), second.get(what)]
    if (was === is) return []
    return [
      { what, ...(was === undefined ? {} : { before: was }), ...(is === undefined ? {} : { after: is }) },
    ]
  })
}

function compareFiles(before: readonly InventoryEntry[], after: readonly InventoryEntry[]): FileChange[] {
  const first = new Map(before.map((entry) => [entry.path, entry]))
  const second = new Map(after.map((entry) => [entry.path, entry]))
  const changes = compareLists(
    before.map((entry) => [entry.path, describeEntry(entry)] as const),
    after.map((entry) => [entry.path, describeEntry(entry)] as const),
  )
  return changes.map((change) => {
    const [was, is] = [first.get(change.what), second.get(change.what)]
    return { ...change, origin: (is ?? was)?.origin ?? "", growthBytes: sizeOf(is) - sizeOf(was) }
  })
}

function describeEntry(entry: InventoryEntry): string {
  if (entry.kind === "link") return `link to ${entry.target}`
  const owner = `${octal(entry.mode)} ${entry.uid}:${entry.gid}`
  if (entry.kind === "directory") return `folder ${owner}`
  return `file ${owner} ${entry.size_bytes} bytes sha256 ${entry.sha256.slice(0, 12)}`
}

function describeUnit(kind: string, mode: string, content: string): string {
  if (kind === "link") return content === "/dev/null" ? "masked" : `link to ${content}`
  return `${kind} ${mode} sha256 ${content.slice(0, 12)}`
}

function sizeOf(entry: InventoryEntry | undefined): number {
  return entry?.kind === "file" ? entry.size_bytes : 0
}

function listSettings(manifest: Manifest): [string, string][] {
  const { resources, egress, kernel } = manifest
  return [
    ["profile", manifest.profile],
    ["kernel version", kernel.version],
    ["CPUs", String(resources.cpus)],
    ["memory", `${resources.memory_mib} MiB`],
    ["disk", `${resources.disk_mib} MiB`],
    ["egress budget", egress.budget_mib === undefined ? "the usual one" : `${egress.budget_mib} MiB`],
  ]
}

/** Of the same version, another archive is another package. */
function listPackages({ packages }: Manifest): [string, string][] {
  return packages.map(({ kind, name, version, digest }) => [
    `${kind}:${name}`,
    `${version} (${digest.slice(0, 19)})`,
  ])
}

function listSysctls(text: string): [string, string][] {
  return text.split("\n").flatMap((line) => {
    const [, key, value] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? []
    return key === undefined || value === undefined ? [] : [[key, value] as [string, string]]
  })
}

/** An option that is given twice counts once for each of its values. */
function listOptions(commandLine: string): [string, string][] {
  const words = commandLine.split(" ").filter((word) => word !== "" && !word.startsWith("stereo.root="))
  const named = words.map((word) => {
    const [name = word, ...value] = word.split("=")
    return { name, value: value.length === 0 ? "given" : value.join("=") }
  })
  return [...new Set(named.map(({ name }) => name))].map((name) => [
    name,
    named
      .filter((one) => one.name === name)
      .map(({ value }) => value)
      .join(", "),
  ])
}

function listAccounts(kind: string, text: string): [string, string][] {
  return text.split("\n").flatMap((line) => {
    const [name, , ...rest] = line.split(":")
    return name ? [[`${kind} ${name}`, rest.join(":")] as [string, string]] : []
  })
}

function octal(mode: number): string {
  return mode.toString(8).padStart(4, "0")
}
