/** A mirror of Debian on loopback: real .debs, Packages and Release files, signed with a key of its own. */

import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { gzipSync } from "node:zlib"

export interface FakePackage {
  readonly name: string
  readonly version: string
  readonly depends?: string
  readonly replaces?: string
  /** Text by path; each package also has a copyright file. */
  readonly files?: Readonly<Record<string, string>>
  /** Of debian/changelog. */
  readonly changelog?: string
}

export type FakeSuite = "trixie" | "trixie-updates" | "trixie-security"

export interface DebianArchive extends AsyncDisposable {
  /** Settings that make stereo use this mirror, and no other. */
  readonly environment: Readonly<Record<string, string>>
  /** Addresses that were asked for, below the mirror. */
  readonly asked: string[]
  /** Makes the packages and lists exactly them; what was listed before is gone from the pool. `date`: of the Release file. */
  publish(suite: FakeSuite, packages: readonly FakePackage[], date?: Date): void
  /** What is served under a path, in place of what was published. */
  replace(path: string, change: (bytes: Buffer) => Buffer): void
  /** Gives only the first half of what is under a path, and never ends; null: whole again. */
  stall(path: string | null): void
  /** Keeps what the pool has today, and serves it below /snapshot as of any time. */
  snapshot(): void
}

const SUITES: readonly FakeSuite[] = ["trixie", "trixie-updates", "trixie-security"]

export async function openDebianArchive(): Promise<DebianArchive> {
  const dir = mkdtempSync(join(tmpdir(), "stereo-debian-"))
  const keyring = makeKey(join(dir, "keys"))
  const served = new Map<string, Buffer>()
  const kept = new Map<string, Buffer>()
  const asked: string[] = []
  let stalled: string | null = null
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? "")
    asked.push(path)
    const old = /^\/snapshot\/(debian(?:-security)?)\/\d{8}T\d{6}Z(\/.+)$/.exec(path)
    const bytes = old ? kept.get(`/${old[1]}${old[2]}`) : served.get(path)
    if (bytes && path === stalled) {
      response.writeHead(200, { "content-length": bytes.length })
      response.write(bytes.subarray(0, bytes.length / 2))
      return
    }
    response.writeHead(bytes ? 200 : 404, bytes ? { "content-length": bytes.length } : {})
    response.end(bytes)
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const archive: DebianArchive = {
    asked,
    environment: {
      STEREO_DEBIAN_MIRROR: `${base}/debian`,
      STEREO_DEBIAN_SECURITY_MIRROR: `${base}/debian-security`,
      STEREO_DEBIAN_KEYRING: keyring,
    },
    publish(suite, packages, date = new Date("2026-11-21T09:15:44Z")) {
      const root = suite === "trixie-security" ? "/debian-security" : "/debian"
      const old = [...served.keys()].filter((path) => path.startsWith(`${root}/pool/${suite}/`))
      for (const path of old) served.delete(path)
      const paragraphs = packages.map((one) => {
        const path = `pool/${suite}/${one.name}/${one.name}_${one.version}_amd64.deb`
        const deb = makeDeb(join(dir, "debs"), one)
        served.set(`${root}/${path}`, deb)
        return `${renderControl(one)}Filename: ${path}\nSize: ${deb.length}\nSHA256: ${sha256(deb)}\n`
      })
      const lists = Buffer.from(paragraphs.map((one) => `${one}\n`).join(""))
      const list = `main/binary-amd64/Packages`
      served.set(`${root}/dists/${suite}/${list}`, lists)
      served.set(`${root}/dists/${suite}/${list}.gz`, gzipSync(lists))
      const release = renderRelease(suite, date, { [list]: lists, [`${list}.gz`]: gzipSync(lists) })
      served.set(`${root}/dists/${suite}/InRelease`, sign(join(dir, "keys"), release))
    },
    replace(path, change) {
      const bytes = served.get(path)
      if (!bytes) throw new Error(`the fake mirror has no ${path}; it has ${[...served.keys()].join(" ")}`)
      served.set(path, change(bytes))
    },
    stall(path) {
      stalled = path
    },
    snapshot() {
      for (const [path, bytes] of served) kept.set(path, bytes)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      execFileSync("gpgconf", ["--homedir", join(dir, "keys"), "--kill", "all"], { stdio: "ignore" })
      rmSync(dir, { recursive: true, force: true })
    },
  }
  for (const suite of SUITES) archive.publish(suite, [])
  return archive
}

function makeKey(home: string): string {
  mkdirSync(home, { mode: 0o700 })
  const user = "a mirror of a test <mirror@example.org>"
  gpg(home, ["--batch", "--passphrase", "", "--quick-generate-key", user, "ed25519", "sign", "never"])
  const keyring = join(home, "keyring.gpg")
  writeFileSync(keyring, gpg(home, ["--export"]))
  return keyring
}

function sign(home: string, text: string): Buffer {
  return gpg(home, ["--batch", "--clearsign", "--output", "-"], text)
}

function gpg(home: string, args: readonly string[], input = ""): Buffer {
  return execFileSync("gpg", ["--homedir", home, "--quiet", ...args], {
    input,
    stdio: ["pipe", "pipe", "ignore"],
  })
}

function renderControl({ name, version, depends, replaces }: FakePackage): string {
  return [
    `Package: ${name}`,
    `Source: ${name}-src (${version})`,
    `Version: ${version}`,
    "Architecture: amd64",
    "Maintainer: A Person <person@example.org>",
    "Section: utils",
    "Homepage: https://example.org/",
    ...(depends === undefined ? [] : [`Depends: ${depends}`]),
    ...(replaces === undefined ? [] : [`Replaces: ${replaces}`]),
    `Description: the package ${name}\n of a test`,
    "",
  ].join("\n")
}

function makeDeb(parent: string, one: FakePackage): Buffer {
  const { name, version, files = {}, changelog } = one
  const tree = join(parent, `${name}_${version}`)
  rmSync(tree, { recursive: true, force: true })
  const put = (path: string, bytes: string | Buffer) => {
    mkdirSync(dirname(join(tree, path)), { recursive: true })
    writeFileSync(join(tree, path), bytes)
  }
  put("DEBIAN/control", renderControl(one))
  put(`usr/share/doc/${name}/copyright`, `License: of ${name}\n`)
  if (changelog !== undefined) put(`usr/share/doc/${name}/changelog.Debian.gz`, gzipSync(changelog))
  for (const [path, text] of Object.entries(files)) put(path, text)
  // the same package is the same bytes whenever it is made
  const env = { ...process.env, SOURCE_DATE_EPOCH: "1" }
  execFileSync("dpkg-deb", ["--root-owner-group", "--build", tree, `${tree}.deb`], { stdio: "ignore", env })
  return readFileSync(`${tree}.deb`)
}

function renderRelease(suite: string, date: Date, files: Readonly<Record<string, Buffer>>): string {
  const rows = Object.entries(files).map(([path, bytes]) => ` ${sha256(bytes)} ${bytes.length} ${path}`)
  const head = ["Origin: Debian", "Label: Debian", `Suite: ${suite}`, `Codename: ${suite}`]
  const when = `Date: ${date.toUTCString().replace("GMT", "UTC")}`
  return [...head, when, "Architectures: amd64", "Components: main", "SHA256:", ...rows, ""].join("\n")
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}
