/** Asks Debian's archive, by its signed Release files, which packages a definition means today. */

import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { type ImageLock, type LockedDeb, lockedDeb } from "../../contract/image-lock.ts"
import type { Apt } from "../apt.ts"
import { parseControl } from "../debian-control.ts"
import { readEpoch } from "./read-epoch.ts"

export interface DebianWants {
  readonly root: readonly string[]
  readonly boot: readonly string[]
}

/** Fetches and checks Release and Packages files. Faults: `lock/untrusted`, `lock/unreachable`. */
export async function updateApt(apt: Apt): Promise<void> {
  const { succeeded, output } = await apt.attempt("the lists of Debian's packages", ["apt-get", "update"])
  if (succeeded) return
  const said = output
    .split("\n")
    .filter((line) => /^[EW]: /.test(line))
    .map((line) => `    ${line}`)
    .join("\n")
  const untrusted =
    /signed|signature|GPG error|NO_PUBKEY|Hash Sum mismatch|unexpected size|expired|not valid/i
  if (untrusted.test(output)) {
    throw new Fault("lock/untrusted", `what the mirror gave is not what Debian signed\n${said}`, {
      hint: "a mirror in the middle of an update passes in minutes; the keys are those of the package debian-archive-keyring, or of STEREO_DEBIAN_KEYRING",
    })
  }
  throw new Fault("lock/unreachable", `Debian's archive does not answer as it should\n${said}`, {
    hint: "is there a network? mirrors are those of this host's apt, or of STEREO_DEBIAN_MIRROR",
  })
}

/**
 * Gives the packages of both parts with all that they depend on, and the date of the newest Release file.
 * What `held` names keeps its version as long as the archive has it. Faults: `lock/unresolvable`, those of read-epoch.ts.
 */
export async function resolveDebian(
  apt: Apt,
  wants: DebianWants,
  held: readonly LockedDeb[],
): Promise<Pick<ImageLock, "deb" | "epoch">> {
  const epoch = await readEpoch(join(apt.dir, "state", "lists"))
  await writeFile(join(apt.dir, "preferences"), held.map(renderPin).join("\n"))
  const root = await listAddresses(apt, "root", wants.root)
  const boot = await listAddresses(apt, "boot", wants.boot)
  const found = new Map<string, LockedDeb>()
  const targets = await readTargets(apt)
  for (const target of targets) {
    for (const { address, locked } of await readIndex(target, root, boot)) {
      // one file may be listed by a suite and by its updates
      if (!found.has(address)) found.set(address, locked)
    }
  }
  const lacking = [...root, ...boot].find((address) => !found.has(address))
  if (lacking !== undefined) {
    throw new Fault("lock/unresolvable", `apt chose ${lacking}, which no list of packages has`)
  }
  const deb = [...found.values()].sort((left, right) => (left.name < right.name ? -1 : 1))
  return { deb, epoch }
}

function renderPin({ name, version }: LockedDeb): string {
  return `Package: ${name}\nPin: version ${version}\nPin-Priority: 1001\n`
}

/** The addresses of the packages, as apt would fetch them into an empty system. */
async function listAddresses(apt: Apt, part: string, names: readonly string[]): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set()
  const { succeeded, stdout, output } = await apt.attempt(`the ${part}'s packages`, [
    "apt-get",
    "install",
    "--print-uris",
    "--yes",
    "-qq",
    "--no-install-recommends",
    ...names,
  ])
  if (succeeded)
    return new Set([...stdout.matchAll(/^'([^']+\.deb)' /gm)].map(([, address = ""]) => plain(address)))
  const unknown = [
    ...output.matchAll(/Unable to locate package (\S+)|Package '?(\S+?)'? has no installation candidate/g),
  ]
  const message =
    unknown.length > 0
      ? `Debian has no package ${unknown.map(([, one, other]) => one ?? other).join(", ")}`
      : `apt cannot satisfy the ${part}'s packages together\n${output.trimEnd().replace(/^/gm, "    ")}`
  throw new Fault("lock/unresolvable", message, {
    hint: `they stand under [${part === "root" ? "debian" : "boot"}] packages of an image.toml`,
  })
}

interface Target {
  readonly base: string
  readonly suite: string
  readonly file: string
}

async function readTargets(apt: Apt): Promise<Target[]> {
  const format = "$(CREATED_BY)\t$(REPO_URI)\t$(RELEASE)\t$(FILENAME)"
  const printed = await apt.run("the lists of Debian's packages", [
    "apt-get",
    "indextargets",
    "--format",
    format,
  ])
  return printed.split("\n").flatMap((line) => {
    const [kind, base = "", suite = "", file = ""] = line.split("\t")
    if (kind !== "Packages") return []
    return [{ base, suite, file }]
  })
}

async function readIndex(
  { base, suite, file }: Target,
  root: ReadonlySet<string>,
  boot: ReadonlySet<string>,
): Promise<{ address: string; locked: LockedDeb }[]> {
  const found: { address: string; locked: LockedDeb }[] = []
  for (const paragraph of (await readFile(file, "latin1")).split("\n\n")) {
    const path = /^Filename: (?:\.\/)?(\S+)$/m.exec(paragraph)?.[1]
    if (path === undefined) continue
    const address = plain(`${base}${path}`)
    const parts = [...(root.has(address) ? ["root"] : []), ...(boot.has(address) ? ["boot"] : [])]
    if (parts.length === 0) continue
    found.push({ address, locked: readLocked(parseControl(paragraph), { parts, suite, path, file }) })
  }
  return found
}

function readLocked(
  control: ReadonlyMap<string, string>,
  place: { parts: string[]; suite: string; path: string; file: string },
): LockedDeb {
  const { parts, suite, path, file } = place
  const parsed = lockedDeb.safeParse({
    ...{ name: control.get("Package"), version: control.get("Version"), arch: control.get("Architecture") },
    ...{ parts, suite, size_bytes: Number(control.get("Size")), sha256: control.get("SHA256"), path },
  })
  if (parsed.success) return parsed.data
  throw new Fault("lock/odd-list", `${file}: the entry of ${path} does not read: ${parsed.error.message}`)
}

/** apt writes `+` as %2b; one spelling for all. */
function plain(address: string): string {
  try {
    return decodeURIComponent(address)
  } catch (cause) {
    throw new Fault("lock/odd-list", `not an address: ${address}: ${reasonOf(cause)}`, { cause })
  }
}
