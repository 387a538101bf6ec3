/** Renders a file of images/templates with the names and numbers that the wires use. */

import { readFile } from "node:fs/promises"
import nunjucks from "nunjucks"
import { Fault, reasonOf } from "../../contract/fault.ts"
import * as wire from "../../contract/wire.ts"

/** `name` is the path shown in errors. A variable that is not there is an error, never an empty text. */
export async function renderTemplate(file: string, name: string): Promise<string> {
  const environment = new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true })
  try {
    return environment.renderString(await readFile(file, "utf8"), { ...wire })
  } catch (cause) {
    throw new Fault("image/bad-template", `${name}: ${reasonOf(cause)}`, {
      hint: `variables are the exports of contract/wire.ts: ${Object.keys(wire).join(", ")}`,
      cause,
    })
  }
}
