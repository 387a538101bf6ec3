/** What a built image gives: its manifest's sets, as policies/ has them now, and its packet filter. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { StoredImage } from "../../builder/image-store.ts"
import { Fault } from "../../contract/fault.ts"
import type { ProfiledName } from "../../contract/image-name.ts"
import type { InnerWall } from "../../review/egress-view.ts"
import type { CliContext } from "../context.ts"
import type { ImageParts } from "./image-parts.ts"

export async function readBuiltParts(image: StoredImage, context: CliContext): Promise<ImageParts> {
  return {
    sets: image.manifest.egress.sets,
    setsDir: join(context.projectDir, "policies", "egress"),
    readFrom: `the built image ${image.name} (manifest ${image.digest.slice(0, 12)}) and policies/egress`,
    notes: await noteStale(image, context),
    wall: await readBuiltWall(image.dir, image.manifest, `the built image ${image.name}`),
  }
}

/** The packet filter that lies in a built image's folder. */
export async function readBuiltWall(
  dir: string,
  { files, site }: Pick<StoredImage["manifest"], "files" | "site">,
  owner: string,
): Promise<InnerWall> {
  const [text, canonical] = await Promise.all(
    [files.firewall, files.ruleset].map(({ name }) => readFile(join(dir, name), "utf8")),
  )
  return {
    kind: "ruleset",
    from: `${files.firewall.name} of ${owner}, which a kernel loaded when it was built`,
    text: text ?? null,
    canonical: canonical ?? null,
    ...(site === undefined ? {} : { site }),
  }
}

/** A definition that names other sets by now is told: the next build will open or close them. */
async function noteStale(image: StoredImage, context: CliContext): Promise<string[]> {
  const { flattenDefinitions } = await import("../../builder/plan/flatten.ts")
  try {
    const now = flattenDefinitions(await readLine(image.manifest, context.projectDir)).egress.sets
    const built = image.manifest.egress.sets
    if (now.join() === built.join()) return []
    const sets = (names: readonly string[]) => names.join(", ") || "none"
    return [
      `its definition has changed since it was built: it names ${sets(now)}, the image ${sets(built)}; see definition:${image.manifest.name}`,
    ]
  } catch (thrown) {
    if (!(thrown instanceof Fault)) throw thrown
    return [`its definition cannot be read any more: ${thrown.message}`]
  }
}

async function readLine({ name, profile }: ProfiledName, projectDir: string) {
  const { readLayers } = await import("../../builder/definition/read-layers.ts")
  return (await readLayers(projectDir, name, profile)).map(({ definition }) => definition)
}
