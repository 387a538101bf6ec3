/** Reads of a built image what is compared: manifest, inventory, units, and a few files of its sealed root. */

import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { z } from "zod"
import type { StoredImage } from "../../builder/image-store.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { inventory } from "../../contract/inventory.ts"
import type { ImageView } from "../../review/image/image-view.ts"
import type { CliContext } from "../context.ts"
import { findTools } from "../find-tools.ts"

const TEXTS = { passwd: "/etc/passwd", group: "/etc/group", sysctls: "/etc/sysctl.d/50-stereo.conf" } as const

const unitSet = z.array(
  z.strictObject({
    path: z.string(),
    kind: z.enum(["file", "link", "other"]),
    content: z.string(),
    mode: z.string(),
  }),
)

/** Faults: `image/no-tools`, `image/damaged` for a file that is not what the builder writes; those of reading the root. */
export async function readImageView(
  target: string,
  { dir, digest, manifest }: StoredImage,
  { home, signal }: CliContext,
): Promise<ImageView> {
  const { readRootFiles } = await import("../../builder/read-root-files.ts")
  const scratch = await mkdtemp(join(tmpdir(), "stereo-diff-"))
  try {
    const read = await readRootFiles({
      rootDisk: join(dir, manifest.files.root.name),
      paths: Object.values(TEXTS),
      toolsDir: await findTools(home, "image"),
      dir: scratch,
      signal,
    })
    const text = (path: string) => read.get(path)?.toString("utf8") ?? null
    return {
      ...{ target, digest, manifest },
      inventory: await parseFile(join(dir, manifest.files.inventory.name), inventory),
      units: await parseFile(join(dir, manifest.files.units.name), unitSet),
      texts: { passwd: text(TEXTS.passwd), group: text(TEXTS.group), sysctls: text(TEXTS.sysctls) },
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function parseFile<Shape extends z.ZodType>(file: string, shape: Shape): Promise<z.output<Shape>> {
  try {
    return shape.parse(JSON.parse(await readFile(file, "utf8")))
  } catch (cause) {
    throw new Fault("image/damaged", `${file} is not what a build writes: ${reasonOf(cause)}`, {
      hint: "build the image again, or look into it with `stereo images verify`",
      cause,
    })
  }
}
