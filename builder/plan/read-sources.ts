/** Reads everything of the project that goes into an image: files, templates, bundles, pins, recipes. */

import { createHash } from "node:crypto"
import { readdir, readFile, stat } from "node:fs/promises"
import { join, relative } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { Site } from "../../contract/site.ts"
import type { ImageDefinition } from "../image-definition.ts"
import type { Plan } from "../plan.ts"
import { renderAccounts } from "./accounts.ts"
import { bundleProgram } from "./bundle-program.ts"
import { type BundledPackage, readBundledPackages } from "./bundled-packages.ts"
import { renderSessionUnits } from "./plan-session.ts"
import { type LockedNpm, readNpmLock } from "./read-npm-lock.ts"
import { renderSite } from "./render-site.ts"
import { renderSysctls } from "./render-sysctls.ts"
import { renderTemplate } from "./render-template.ts"

export interface SourceFile {
  readonly path: string
  readonly mode: number
  readonly sha256: string
  readonly from: string
}

export interface Sources {
  readonly files: readonly SourceFile[]
  /** Version and integrity of the npm packages whose definition leaves them to package-lock.json. */
  readonly pins: ReadonlyMap<string, { readonly version: string; readonly integrity: string }>
  /** What the image's npm lock files pin, by the file's path in the project. */
  readonly npmLocks: ReadonlyMap<string, readonly LockedNpm[]>
  readonly recipes: Plan["recipes"]
  /** The npm packages inside of each program that is bundled, by the program's path in the image. */
  readonly bundled: ReadonlyMap<string, readonly BundledPackage[]>
  /** The bytes of `files` by their hash. */
  readonly contents: ReadonlyMap<string, Buffer>
}

interface Read {
  readonly path: string
  readonly mode: number
  readonly from: string
  readonly bytes: Buffer
}

/** `folders` are those of image.toml whose files/ are laid over each other, the first undermost. */
export async function readSources(
  projectDir: string,
  definition: ImageDefinition,
  folders: readonly string[],
  site: Site | null = null,
): Promise<Sources> {
  const accounts = renderAccounts(definition).map(({ path, mode, text }) => {
    return { path, mode, from: "accounts", bytes: Buffer.from(text) }
  })
  const overlays = await Promise.all(folders.map((folder) => readOverlay(projectDir, folder)))
  const templates = await Promise.all(
    definition.template.map((each) => readTemplate(projectDir, each, { SITE: site, ENV: definition.env })),
  )
  const programs = await Promise.all(definition.program.map((each) => readProgram(projectDir, each)))
  const contents = new Map<string, Buffer>()
  const settings = [...renderSysctls(definition), ...renderSessionUnits(definition)].map(({ path, text }) => {
    return { path, mode: 0o644, from: "image.toml", bytes: Buffer.from(text) }
  })
  const sited = renderSite(site).map(({ path, text }) => {
    return { path, mode: 0o644, from: "site.toml", bytes: Buffer.from(text) }
  })
  const files = [
    ...accounts,
    ...settings,
    ...overlays.flat(),
    ...templates,
    ...programs.map(({ file }) => file),
    ...sited,
  ].map(({ bytes, ...file }) => {
    const sha256 = sha256Of(bytes)
    contents.set(sha256, bytes)
    return { ...file, sha256 }
  })
  return {
    files,
    contents,
    bundled: new Map(programs.map(({ file, packages }) => [file.path, packages])),
    pins: await readPins(projectDir, definition),
    npmLocks: new Map(await Promise.all(definition.npm_tree.map((each) => readLock(projectDir, each)))),
    recipes: {
      rootfs: await hashSources(
        join(projectDir, "builder", "rootfs"),
        join(projectDir, "builder", "tree.ts"),
        join(projectDir, "builder", "debian-control.ts"),
      ),
      seal: await hashSources(join(projectDir, "builder", "seal"), join(projectDir, "builder", "tree.ts")),
      gates: await hashSources(join(projectDir, "builder", "gates"), join(projectDir, "builder", "tree.ts")),
      describe: await hashSources(
        join(projectDir, "builder", "describe"),
        join(projectDir, "contract", "package-url.ts"),
      ),
      measure: await hashSources(
        join(projectDir, "builder", "measure"),
        join(projectDir, "contract", "canonical-ruleset.ts"),
        join(projectDir, "contract", "unit-set.ts"),
      ),
      artifact: await hashSources(
        join(projectDir, "builder", "artifact"),
        join(projectDir, "contract", "extract-vmlinux.ts"),
        join(projectDir, "contract", "shrink-elf.ts"),
      ),
    },
  }
}

async function readOverlay(projectDir: string, folder: string): Promise<Read[]> {
  const dir = join(projectDir, folder, "files")
  return Promise.all(
    (await listFiles(dir)).map(async (file) => {
      const executable = ((await stat(file)).mode & 0o111) !== 0
      return {
        path: `/${relative(dir, file)}`,
        mode: executable ? 0o755 : 0o644,
        from: relative(projectDir, file),
        bytes: await readFile(file),
      }
    }),
  )
}

async function readTemplate(
  projectDir: string,
  part: ImageDefinition["template"][number],
  known: { readonly SITE: Site | null; readonly ENV: ImageDefinition["env"] },
): Promise<Read> {
  const from = join("images", "templates", part.from)
  const text = await renderTemplate(join(projectDir, from), from, known)
  return { path: part.to, mode: Number.parseInt(part.mode, 8), from, bytes: Buffer.from(text) }
}

async function readProgram(
  projectDir: string,
  { entry, to }: ImageDefinition["program"][number],
): Promise<{ readonly file: Read; readonly packages: readonly BundledPackage[] }> {
  const { bytes, inputs } = await bundleProgram(projectDir, entry)
  const packages = await readBundledPackages(projectDir, inputs)
  return { file: { path: to, mode: 0o644, from: entry, bytes }, packages }
}

async function readPins(projectDir: string, definition: ImageDefinition): Promise<Sources["pins"]> {
  const lock = JSON.parse(await readFile(join(projectDir, "package-lock.json"), "utf8"))
  const pins = new Map<string, { version: string; integrity: string }>()
  for (const { name, version, integrity } of definition.npm) {
    if (version !== undefined && integrity !== undefined) continue
    const locked = lock.packages?.[`node_modules/${name}`]
    if (typeof locked?.version !== "string" || typeof locked.integrity !== "string") {
      throw new Fault("image/unpinned", `npm package ${name} has no version with integrity`, {
        hint: `give both in image.toml (npm view ${name} version dist.integrity), or add it to package.json`,
      })
    }
    pins.set(name, { version: locked.version, integrity: locked.integrity })
  }
  return pins
}

async function readLock(
  projectDir: string,
  { lock, skip_scripts }: ImageDefinition["npm_tree"][number],
): Promise<readonly [string, readonly LockedNpm[]]> {
  return [lock, readNpmLock(await readFile(join(projectDir, lock), "utf8"), lock, skip_scripts)]
}

async function hashSources(...places: readonly string[]): Promise<string> {
  const hash = createHash("sha256")
  for (const place of places) {
    for (const file of await listFiles(place))
      hash.update(`${relative(place, file)}\0`).update(await readFile(file))
  }
  return hash.digest("hex")
}

/** All files below a folder, or the one named, in an order that does not depend on the file system; none if it is not there. */
async function listFiles(dir: string): Promise<string[]> {
  const parent = await stat(dir).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return null
    throw thrown
  })
  if (!parent) return []
  if (parent.isFile()) return [dir]
  const entries = await readdir(dir, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}

function sha256Of(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}
