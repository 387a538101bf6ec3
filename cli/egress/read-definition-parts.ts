/** What an image gives by its definition in a project's folder, be it this one or one of an older revision. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { renderTemplate } from "../../builder/plan/render-template.ts"
import { reasonOf } from "../../contract/fault.ts"
import type { InnerWall } from "../../review/egress-view.ts"
import type { ImageParts } from "./image-parts.ts"

export interface Definitions {
  /** The folder that holds images/ and policies/. */
  readonly dir: string
  /** Stands behind what was read, for example `at main (commit 1a2b3c4d)`; empty for the folder as it is. */
  readonly at: string
  /** The folder of this program's own sources. */
  readonly projectDir: string
}

/** Where the guest loads its packet filter from. */
const FIREWALL = "/usr/lib/stereo/firewall.nft"
/** Names, and whether there is one: a template of another revision is data and must not become a program. */
const ONLY_NAMES = /^(?:[^{]|\{(?![{%#])|\{\{ *\w+(?:\.\w+)* *\}\}|\{% (?:if (?:not )?\w+|else|endif) %\})*$/

export async function readDefinitionParts(name: string, definitions: Definitions): Promise<ImageParts> {
  const { readDefinitions } = await import("../../builder/definition/read-definitions.ts")
  const { flattenDefinitions } = await import("../../builder/plan/flatten.ts")
  const flat = flattenDefinitions(await readDefinitions(definitions.dir, name))
  const template = flat.template.findLast(({ to }) => to === FIREWALL)?.from ?? null
  return {
    sets: flat.egress.sets,
    setsDir: join(definitions.dir, "policies", "egress"),
    readFrom: `the definition images/${name}/image.toml${definitions.at}`,
    notes: [],
    wall: await readWall(template, definitions),
  }
}

async function readWall(template: string | null, { dir, at, projectDir }: Definitions): Promise<InnerWall> {
  if (template === null) return { kind: "unknown", why: `the definition puts no template at ${FIREWALL}` }
  const name = join("images", "templates", template)
  const text = await readFile(join(dir, name), "utf8")
  if (!ONLY_NAMES.test(text)) return { kind: "unknown", why: `${name}${at} holds more than names in braces` }
  if (!(await hasSameNames(dir, projectDir))) {
    return { kind: "unknown", why: `contract/wire.ts${at}, whose names ${name} uses, is not this program's` }
  }
  const rendered = await renderTemplate(join(dir, name), name)
  return {
    kind: "ruleset",
    from: `${name}${at}, rendered as the builder does`,
    text: rendered,
    canonical: null,
  }
}

async function hasSameNames(dir: string, projectDir: string): Promise<boolean> {
  if (dir === projectDir) return true
  const [theirs, ours] = await Promise.all(
    [dir, projectDir].map((one) => readFile(join(one, "contract", "wire.ts"), "utf8").catch(reasonOf)),
  )
  return theirs === ours
}
