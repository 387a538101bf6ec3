/** What lies over each other to make an image: the strict profile, its line of definitions, the profile asked for. */

import { existsSync } from "node:fs"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { STRICT_PROFILE, storedName, TOOLS_NAME } from "../../contract/image-name.ts"
import { lineOfKey, parseToml } from "../../contract/toml.ts"
import { type ImageDefinition, imageDefinition } from "../image-definition.ts"
import { readDefinitions } from "./read-definitions.ts"

export interface Layer {
  /** The folder of image.toml and files/, relative to the project. */
  readonly dir: string
  readonly definition: ImageDefinition
}

const PROFILES = join("images", "profiles")

/**
 * The undermost first. Strict lies below every image, so that whatever differs from it says so with a reason.
 * Faults: those of definitions, `image/unknown-profile`, `image/bad-profile`, `image/name-taken`.
 */
export async function readLayers(projectDir: string, name: string, profile: string): Promise<Layer[]> {
  const line = await readDefinitions(projectDir, name)
  refuseTools(line)
  refuseTakenName(projectDir, name, profile)
  const strict = await readProfile(projectDir, STRICT_PROFILE)
  const over = profile === STRICT_PROFILE ? [] : [await readProfile(projectDir, profile)]
  const images = line.map((definition) => ({ dir: join("images", definition.name), definition }))
  return [strict, ...images, ...over]
}

function refuseTools(line: readonly ImageDefinition[]): void {
  if (!line.some(({ name }) => name === TOOLS_NAME)) return
  throw new Fault("image/unknown", `images/${TOOLS_NAME} is no image: the tools tree is made of it`, {
    hint: `\`stereo setup\` makes that tree, \`stereo lock ${TOOLS_NAME}\` its lock`,
  })
}

/** `coder` with the profile `debug` is kept as `coder-debug`, which must not be an image of its own. */
function refuseTakenName(projectDir: string, name: string, profile: string): void {
  const stored = storedName({ name, profile })
  if (stored === name || !existsSync(join(projectDir, "images", stored, "image.toml"))) return
  throw new Fault(
    "image/name-taken",
    `image ${name} of the profile ${profile} would be kept as ${stored}, and there is an image of that name`,
    { hint: `rename the folder images/${stored} or the profile` },
  )
}

async function readProfile(projectDir: string, profile: string): Promise<Layer> {
  const dir = join(PROFILES, profile)
  const file = join(dir, "image.toml")
  const text = await readText(projectDir, profile, file)
  const definition = parseToml({ text, file, stage: "image" }, imageDefinition)
  const wrong = describeWrong(definition, profile)
  if (wrong === null) return { dir, definition }
  throw new Fault(
    "image/bad-profile",
    `${file}:${lineOfKey(text, [wrong.key])}: ${wrong.key}: ${wrong.what}`,
    {
      hint: "a profile is an image.toml without extends, named as its folder; it lies over strict and any image",
    },
  )
}

async function readText(projectDir: string, profile: string, file: string): Promise<string> {
  try {
    return await readFile(join(projectDir, file), "utf8")
  } catch (cause) {
    throw new Fault("image/unknown-profile", `there is no profile "${profile}": ${file} cannot be read`, {
      hint: `profiles here: ${(await profileNames(projectDir)).join(", ") || "none, and each project needs strict"}`,
      cause,
    })
  }
}

async function profileNames(projectDir: string): Promise<string[]> {
  const dir = join(projectDir, PROFILES)
  return existsSync(dir) ? (await readdir(dir)).sort() : []
}

function describeWrong(definition: ImageDefinition, profile: string): { key: string; what: string } | null {
  if (definition.extends !== undefined) return { key: "extends", what: "a profile extends nothing" }
  if (definition.name === profile) return null
  return { key: "name", what: `"${definition.name}" differs from its folder, ${profile}` }
}
