/** Reads an image's definition and those that it extends, the root of the line first. */

import { readdir, readFile } from "node:fs/promises"
import { join, relative } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { TOOLS_NAME } from "../../contract/image-name.ts"
import { lineOfKey, parseToml } from "../../contract/toml.ts"
import { type ImageDefinition, imageDefinition } from "../image-definition.ts"
import { splitProfiled } from "./profiled-name.ts"

interface Loaded {
  readonly definition: ImageDefinition
  readonly file: string
  readonly text: string
}

/** The definitions from the one that extends nothing to `name` itself. */
export async function readDefinitions(projectDir: string, name: string): Promise<ImageDefinition[]> {
  const line: Loaded[] = []
  let wanted: string | undefined = name
  while (wanted !== undefined) {
    const child: Loaded | undefined = line[0]
    refuseCycle(line, wanted)
    const loaded = await readDefinition(projectDir, wanted, child)
    line.unshift(loaded)
    wanted = loaded.definition.extends
  }
  return line.map(({ definition }) => definition)
}

function refuseCycle(line: readonly Loaded[], wanted: string): void {
  const child = line[0]
  if (!child || !line.some(({ definition }) => definition.name === wanted)) return
  const path = [...line.map(({ definition }) => definition.name).reverse(), wanted].join(" extends ")
  throw new Fault("image/cycle", `${at(child, ["extends"])}: extends: a cycle: ${path}`, {
    hint: "one image of the cycle must stand alone: take its `extends` away",
  })
}

async function readDefinition(projectDir: string, name: string, child?: Loaded): Promise<Loaded> {
  const path = join(projectDir, "images", name, "image.toml")
  const file = relative(projectDir, path)
  const text = await readText(path, projectDir, name, child)
  const definition = parseToml({ text, file, stage: "image" }, imageDefinition)
  if (definition.name !== name) {
    throw new Fault(
      "image/wrong-name",
      `${file}:${lineOfKey(text, ["name"])}: name: "${definition.name}" differs from its folder, ${name}`,
      { hint: `write name = "${name}" or rename the folder` },
    )
  }
  return { definition, file, text }
}

async function readText(path: string, projectDir: string, name: string, child?: Loaded): Promise<string> {
  try {
    return await readFile(path, "utf8")
  } catch (cause) {
    const names = await imageNames(projectDir)
    const where = child ? `${at(child, ["extends"])}: extends: ` : ""
    throw new Fault("image/unknown", `${where}there is no image "${name}"`, {
      hint: `images here: ${names.join(", ") || "none"}; ${adviseOn(projectDir, name)}`,
      cause,
    })
  }
}

function adviseOn(projectDir: string, name: string): string {
  const profiled = splitProfiled(projectDir, name)
  if (profiled !== null) return `${name} is how ${profiled.name} is kept with --profile ${profiled.profile}`
  return `\`stereo init image NAME\` begins a new one`
}

async function imageNames(projectDir: string): Promise<string[]> {
  const entries = await readdir(join(projectDir, "images"), { withFileTypes: true })
  const others = ["templates", "profiles", TOOLS_NAME]
  return entries
    .filter((entry) => entry.isDirectory() && !others.includes(entry.name))
    .map(({ name }) => name)
}

function at(loaded: Loaded, path: readonly string[]): string {
  return `${loaded.file}:${lineOfKey(loaded.text, path)}`
}
