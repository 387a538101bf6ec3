/** Unpacks .debs as archives of their own, with dpkg-deb; no maintainer script is even looked at. */

import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { LockedDeb } from "../../contract/image-lock.ts"
import { parseControl } from "../debian-control.ts"
import type { PackageRecord } from "../package-record.ts"
import { readTree, type Tree } from "../tree.ts"

/** Where a .deb lies, as whoever runs dpkg-deb sees it. */
export interface PlacedDeb {
  readonly deb: LockedDeb
  readonly file: string
}

export interface UnpackedDeb {
  readonly record: Omit<PackageRecord, "copyright">
  /** Names of packages whose files it may replace. */
  readonly replaces: readonly string[]
  readonly tree: Tree
}

/** Runs the command in `dir`, where dpkg-deb can be found. */
export type RunInDir = (purpose: string, command: readonly [string, ...string[]]) => Promise<unknown>

/** $0 is a number, $1 the .deb. */
const ONE = 'dpkg-deb --fsys-tarfile "$1" > "$0.tar" && dpkg-deb --info "$1" control > "$0.control"'
const PARALLEL = 2

/** Leaves N.tar and N.control in the folder, and gives what they hold, in the order of `debs`. */
export async function unpackDebs(
  debs: readonly PlacedDeb[],
  dir: string,
  runInDir: RunInDir,
): Promise<UnpackedDeb[]> {
  // ended by what no path holds: a home may have blanks and quotation marks in its own
  const words = debs.map(({ file }, index) => `${index}\0${file}\0`)
  await writeFile(join(dir, "debs"), words.join(""))
  await runInDir("unpacking Debian's packages", [
    "xargs",
    ...["--null", "--arg-file=debs", "--max-args=2", `--max-procs=${PARALLEL}`],
    ...["sh", "-c", ONE],
  ])
  const unpacked: UnpackedDeb[] = []
  for (const [index, { deb }] of debs.entries()) {
    const control = parseControl(await readFile(join(dir, `${index}.control`), "utf8"))
    const tree = await readTree(join(dir, `${index}.tar`), () => false)
    unpacked.push({ record: readRecord(deb, control), replaces: readReplaces(control), tree })
  }
  return unpacked
}

function readRecord(deb: LockedDeb, control: ReadonlyMap<string, string>): UnpackedDeb["record"] {
  const { name, version, arch, sha256 } = deb
  const [, source = name, sourceVersion = version] =
    /^(\S+)(?: \((.+)\))?$/.exec(control.get("Source") ?? name) ?? []
  return {
    ...{ name, version, arch, sha256, source, sourceVersion },
    section: control.get("Section") ?? "unknown",
    maintainer: control.get("Maintainer") ?? "unknown",
    homepage: control.get("Homepage") ?? null,
    description: (control.get("Description") ?? "").split("\n")[0] ?? "",
  }
}

/** The names alone: Debian's versions in them are about upgrades, and here is only one version of each. */
function readReplaces(control: ReadonlyMap<string, string>): string[] {
  return (control.get("Replaces") ?? "")
    .split(",")
    .map((relation) => relation.trim().replace(/[ (:].*$/s, ""))
    .filter((name) => name !== "")
}
