/** Renders a file of images/templates with the names and numbers that the wires use. */

import { readFile } from "node:fs/promises"
import nunjucks from "nunjucks"
import { Fault, reasonOf } from "../../contract/fault.ts"
import type { Site } from "../../contract/site.ts"
import * as wire from "../../contract/wire.ts"

/** `name` is the path shown in errors; `more`: what a template may know of this one image. A variable that is not there is an error, never an empty text. */
export async function renderTemplate(
  file: string,
  name: string,
  more: { readonly SITE: Site | null; readonly ENV: Readonly<Record<string, string>> } = {
    SITE: null,
    ENV: {},
  },
): Promise<string> {
  const environment = new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true })
  try {
    return environment.renderString(await readFile(file, "utf8"), { ...wire, ...more })
  } catch (cause) {
    throw new Fault("image/bad-template", `${name}: ${reasonOf(cause)}`, {
      hint: `variables are the exports of contract/wire.ts and some of the plan: ${Object.keys({ ...wire, ...more }).join(", ")}`,
      cause,
    })
  }
}
