/** Reads an npm lock file of an image: each package with its version, its integrity and its place in node_modules. */

import { z } from "zod"
import { Fault, reasonOf } from "../../contract/fault.ts"

const dependencies = z.record(z.string(), z.string()).default({})

const lockedPackage = z.looseObject({
  name: z.string().optional(),
  version: z.string().optional(),
  integrity: z.string().optional(),
  optional: z.boolean().default(false),
  hasInstallScript: z.boolean().default(false),
  os: z.array(z.string()).optional(),
  cpu: z.array(z.string()).optional(),
  libc: z.array(z.string()).optional(),
  bin: z.record(z.string(), z.string()).optional(),
  dependencies,
  optionalDependencies: dependencies,
  peerDependencies: dependencies,
})
const npmLock = z.looseObject({
  lockfileVersion: z.literal(3),
  packages: z.record(z.string(), lockedPackage),
})
type LockedPackage = z.infer<typeof lockedPackage>

/** One package of a lock that goes into an image. */
export interface LockedNpm {
  readonly name: string
  readonly version: string
  readonly integrity: string
  /** Below the folder that holds node_modules' packages, for example `a/node_modules/b`. */
  readonly place: string
  /** Commands by name, each with its file in the package. */
  readonly bin: Readonly<Record<string, string>>
}

/** What the image is: what a package may ask for with `os`, `cpu` and `libc`. */
const HERE = { os: "linux", cpu: "x64", libc: "glibc" } as const
const ROOT = "node_modules/"

/**
 * What the lock's own package needs, and what that needs, sorted by place. Left out, as npm does it: what serves only
 * development, what is for another system, and what is optional and has an install script, which would have to run.
 * Faults: `image/bad-npm-lock`, `image/npm-script`.
 */
export function readNpmLock(text: string, file: string, skipScripts: readonly string[] = []): LockedNpm[] {
  const { packages } = parse(text, file)
  const isWanted = (one: LockedPackage, path: string) =>
    fits(one, path, file) && runsAsItIs(one, path, { file, skipScripts })
  const wanted = [""]
  const found = new Map<string, LockedNpm>()
  for (let path = wanted.pop(); path !== undefined; path = wanted.pop()) {
    const one = packages[path]
    if (!one || found.has(path) || (path !== "" && !isWanted(one, path))) continue
    if (path !== "") found.set(path, toLocked(one, path, file))
    const needs = { ...one.dependencies, ...one.optionalDependencies, ...one.peerDependencies }
    wanted.push(...Object.keys(needs).flatMap((name) => locate(packages, name, path) ?? []))
  }
  if (found.size === 0) throw bad(file, "its package depends on nothing that fits the image")
  return [...found.values()].sort((left, right) => (left.place < right.place ? -1 : 1))
}

function toLocked(one: LockedPackage, path: string, file: string): LockedNpm {
  const { version, integrity, bin = {} } = one
  if (!path.startsWith(ROOT) || version === undefined || !isSha512(integrity)) {
    const wanted = "expected a package of the registry, with version and a sha512 integrity"
    throw bad(file, `packages.${path}: ${wanted}`)
  }
  return { name: nameOf(one, path), version, integrity, place: path.slice(ROOT.length), bin }
}

/** As Node looks for it: in the node_modules of the package itself, then of each folder above. */
function locate(packages: Readonly<Record<string, unknown>>, name: string, from: string): string | null {
  for (let at = from; ; at = at.slice(0, Math.max(0, at.lastIndexOf(`/${ROOT}`)))) {
    const path = at === "" ? ROOT + name : `${at}/${ROOT}${name}`
    if (packages[path] !== undefined) return path
    if (at === "") return null
  }
}

function parse(text: string, file: string): z.infer<typeof npmLock> {
  try {
    return npmLock.parse(JSON.parse(text))
  } catch (cause) {
    throw bad(file, cause instanceof z.ZodError ? z.prettifyError(cause) : reasonOf(cause), cause)
  }
}

function nameOf(one: LockedPackage, path: string): string {
  return one.name ?? path.slice(path.lastIndexOf(ROOT) + ROOT.length)
}

function fits(one: LockedPackage, path: string, file: string): boolean {
  const here = (["os", "cpu", "libc"] as const).every((key) => allows(one[key], HERE[key]))
  if (here || one.optional) return here
  throw bad(file, `packages.${path}: it is for another system than linux, x64, glibc`)
}

function runsAsItIs(
  one: LockedPackage,
  path: string,
  { file, skipScripts }: { readonly file: string; readonly skipScripts: readonly string[] },
): boolean {
  if (!one.hasInstallScript || skipScripts.includes(nameOf(one, path))) return true
  if (one.optional) return false
  throw new Fault("image/npm-script", `${file}: packages.${path}: it has an install script, and none runs`, {
    hint: "take a package that needs none (often NAME-linux-x64), or name it in skip_scripts if it works without",
  })
}

/** npm's lists: names that are meant, or, with `!`, names that are not. */
function allows(list: readonly string[] | undefined, own: string): boolean {
  if (list === undefined) return true
  if (list.includes(`!${own}`)) return false
  return list.every((name) => name.startsWith("!")) || list.includes(own)
}

function isSha512(integrity: string | undefined): integrity is string {
  return /^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? "")
}

function bad(file: string, reason: string, cause?: unknown): Fault {
  return new Fault("image/bad-npm-lock", `${file}: ${reason}`, {
    hint: "write it beside a package.json: npm install --package-lock-only --ignore-scripts",
    cause,
  })
}
