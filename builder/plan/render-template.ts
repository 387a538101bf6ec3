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
  const known = { ...wire, ...more, ...readSite(more.SITE) }
  const environment = new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true })
  try {
    return environment.renderString(await readFile(file, "utf8"), known)
  } catch (cause) {
    throw new Fault("image/bad-template", `${name}: ${reasonOf(cause)}`, {
      hint: `variables are the exports of contract/wire.ts and some of the plan: ${Object.keys(known).join(", ")}`,
      cause,
    })
  }
}

/** So that the packet filter's template needs no program of its own, which a reviewer would have to run. */
function readSite(site: Site | null) {
  return {
    UPSTREAM: site?.gateway ?? wire.GATEWAY,
    SSH_FROM: (site?.ssh.allow ?? []).map(({ net }) => net).join(", "),
  }
}
