/** Looks for each file of the project that a definition names, so that one that is not there is said with its place. */

import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { egressSetFile } from "../../contract/read-egress-policy.ts"
import { lineOfKey } from "../../contract/toml.ts"
import type { ImageDefinition } from "../image-definition.ts"
import type { Layer } from "./read-layers.ts"

interface NamedFile {
  /** Relative to the project. */
  readonly file: string
  /** Where the definition names it. */
  readonly key: readonly string[]
  readonly code: string
  readonly hint: string
}

/** Faults: `image/bad-template`, `image/no-program`, `image/no-npm-lock`, `image/no-egress-set`. */
export async function refuseMissing(projectDir: string, layers: readonly Layer[]): Promise<void> {
  for (const { dir, definition } of layers) {
    const missing = filesOf(definition).find(({ file }) => !existsSync(join(projectDir, file)))
    if (missing === undefined) continue
    const { file, key, code, hint } = missing
    const said = join(dir, "image.toml")
    const line = lineOfKey(await readFile(join(projectDir, said), "utf8"), key)
    throw new Fault(`image/${code}`, `${said}:${line}: ${key.join(".")}: ${file} is not there`, { hint })
  }
}

function filesOf({ template, program, npm_tree, egress }: ImageDefinition): NamedFile[] {
  return [
    ...template.map(({ from }, index) => ({
      ...{ file: join("images", "templates", from), key: ["template", String(index), "from"] },
      ...{ code: "bad-template", hint: "write it, or correct the name; templates lie in images/templates" },
    })),
    ...program.map(({ entry }, index) => ({
      ...{ file: entry, key: ["program", String(index), "entry"], code: "no-program" },
      hint: "restore the file, or take the [[program]] out of image.toml",
    })),
    ...npm_tree.map(({ lock }, index) => ({
      ...{ file: lock, key: ["npm_tree", String(index), "lock"], code: "no-npm-lock" },
      hint: "write it beside a package.json: npm install --package-lock-only --ignore-scripts",
    })),
    ...egress.sets.map((name) => ({
      ...{ file: egressSetFile(name), key: ["egress", "sets"], code: "no-egress-set" },
      hint: "correct the name, or write the set: docs/definitions.md has its keys",
    })),
  ]
}
