/** Debian packages and what they depend on, extracted into one tar archive; no maintainer script runs. */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { mkdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"
import { Fault } from "../../contract/fault.ts"
import { type RunRequest, run } from "../run.ts"

export interface DebianPackage {
  readonly name: string
  readonly version: string
  /** sha256 of the .deb. */
  readonly sha256: string
}

export interface DebianTree {
  /** The files, as a tar archive. */
  readonly tar: string
  readonly tarSha256: string
  readonly packages: readonly DebianPackage[]
}

export interface DebianRequest {
  readonly suite: string
  readonly packages: readonly string[]
  readonly purpose: string
}

/** mmdebstrap starts apt, dpkg-deb and tar: in a process namespace they all end when it does. */
const OWN_PROCESSES = ["unshare", "--fork", "--pid", "--kill-child", "--mount-proc", "--"]

/** Asks Debian's archive for the packages and leaves `tree.tar` and `tree.json` in `dir`. */
export async function makeDebianTree(
  request: DebianRequest,
  dir: string,
  runner: Pick<RunRequest, "logFile" | "signal">,
): Promise<void> {
  if (request.packages.length === 0) {
    throw new Fault("image/no-packages", `${request.purpose}: no Debian packages are named`)
  }
  const tar = join(dir, "tree.tar")
  const sums = join(dir, "packages.sha256")
  const temporary = join(dir, "tmp")
  await mkdir(temporary)
  await run({
    ...runner,
    purpose: request.purpose,
    // times of files that the build itself makes; the same packages then give the same archive
    env: { TMPDIR: temporary, SOURCE_DATE_EPOCH: "0" },
    within: OWN_PROCESSES,
    command: [
      "mmdebstrap",
      "--variant=extract",
      '--aptopt=APT::Install-Recommends "false"',
      `--include=${request.packages.join(",")}`,
      `--extract-hook=cd "$1/var/cache/apt/archives" && sha256sum *.deb > ${sums}`,
      request.suite,
      tar,
    ],
  })
  await rm(temporary, { recursive: true })
  const record = { tarSha256: await hashFile(tar), packages: parsePackages(await readFile(sums, "utf8")) }
  await writeFile(join(dir, "tree.json"), `${JSON.stringify(record, null, 1)}\n`)
}

export async function readDebianTree(dir: string): Promise<DebianTree> {
  const record = JSON.parse(await readFile(join(dir, "tree.json"), "utf8"))
  return { tar: join(dir, "tree.tar"), tarSha256: record.tarSha256, packages: record.packages }
}

/** Lines of sha256sum over .deb files, whose names are NAME_VERSION_ARCH.deb with `:` as %3a. */
export function parsePackages(sums: string): DebianPackage[] {
  return sums
    .trim()
    .split("\n")
    .map((line) => {
      const [, sha256, name, version] = /^([0-9a-f]{64}) [ *]([^_]+)_([^_]+)_[^_]+\.deb$/.exec(line) ?? []
      if (!sha256 || !name || !version) throw new Fault("build/odd-package", `not a package file: ${line}`)
      return { name, version: decodeURIComponent(version), sha256 }
    })
    .sort((left, right) => (left.name < right.name ? -1 : 1))
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256")
  await pipeline(createReadStream(path), hash)
  return hash.digest("hex")
}
