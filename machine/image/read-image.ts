/** Finds a built image by name, and reads what its artifact says of itself. */

import { readFile, realpath, stat } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { Home } from "../../contract/home.ts"
import { type Manifest, manifest } from "../../contract/manifest.ts"
import { parseToml } from "../../contract/toml.ts"

export interface BuiltImage {
  readonly name: string
  /** The folder `by-digest/DIGEST`: it never changes, while a name may come to mean another image. */
  readonly dir: string
  readonly manifest: Manifest
}

/** Faults: `image/not-built`, `image/bad-field`, `image/damaged`. */
export async function readImage(home: Home, name: string): Promise<BuiltImage> {
  const dir = await findImage(home, name)
  const file = join(dir, "manifest.toml")
  const parsed = parseManifest(name, await readFile(file, "utf8"), file)
  await Promise.all(Object.values(parsed.files).map((one) => checkSize(name, dir, one)))
  return { name, dir, manifest: parsed }
}

/** Nobody writes a manifest by hand: one that is not understood is another version's. */
function parseManifest(image: string, text: string, file: string): Manifest {
  try {
    return parseToml({ text, file, stage: "image" }, manifest)
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
    throw new Fault(
      thrown.code,
      `image ${image} is not one that this version of stereo made: ${thrown.message}`,
      {
        hint: `build it again with \`stereo build ${image}\``,
        cause: thrown,
      },
    )
  }
}

async function findImage(home: Home, name: string): Promise<string> {
  if (/^[a-z0-9][a-z0-9-]*$/.test(name)) {
    const dir = await realpath(join(home.images, "by-name", name)).catch((thrown: unknown) => {
      if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
      throw thrown
    })
    if (dir !== null) return dir
  }
  throw new Fault("image/not-built", `there is no built image called "${name}"`, {
    hint: `build it with \`stereo build ${name}\`; \`stereo images ls\` shows those that are there`,
  })
}

async function checkSize(image: string, dir: string, file: { name: string; size_bytes: number }) {
  const found = await stat(join(dir, file.name)).catch((thrown: unknown) => {
    throw damaged(image, `${join(dir, file.name)} is not there`, thrown)
  })
  if (found.size !== file.size_bytes) {
    const sizes = `has ${found.size} bytes, and the manifest says ${file.size_bytes}`
    throw damaged(image, `${join(dir, file.name)} ${sizes}`)
  }
}

function damaged(image: string, message: string, cause?: unknown): Fault {
  return new Fault("image/damaged", message, { hint: `build it again with \`stereo build ${image}\``, cause })
}
