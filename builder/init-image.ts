/** Writes the starting point of a new image: a definition that builds as it is, with what most people change next. */

import { link, mkdir, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../contract/fault.ts"
import { splitProfiled } from "./definition/profiled-name.ts"
import { imageName } from "./image-definition.ts"
import { resolvePlan } from "./resolve-plan.ts"

export interface NewImage {
  readonly name: string
  /** The image that it extends. */
  readonly base: string
}

/**
 * Writes `images/NAME/image.toml` and gives its path in the project; nothing stays of one that is not valid. Faults:
 * `image/bad-name`, `image/exists`, and those of reading what it extends.
 */
export async function initImage(projectDir: string, image: NewImage): Promise<string> {
  const { name, base } = image
  const checked = imageName.safeParse(name)
  if (!checked.success || RESERVED.includes(name)) {
    throw new Fault("image/bad-name", `${JSON.stringify(name)} is no name for an image`, {
      hint: `lower-case letters, digits and dashes, at most 31, and not ${RESERVED.join(" or ")}`,
    })
  }
  refuseTaken(projectDir, name)
  // what it extends must stand before anything is written
  await resolvePlan(projectDir, base)
  const file = join("images", name, "image.toml")
  const path = join(projectDir, file)
  await mkdir(join(projectDir, "images", name), { recursive: true })
  await writeNew(path, renderStart(image), file)
  try {
    await resolvePlan(projectDir, name)
  } catch (thrown) {
    await rm(path)
    throw thrown
  }
  return file
}

/** Folders of images/ that hold no image of a user's. */
const RESERVED = ["templates", "profiles", "tools"]

/** A profile's image would have the same name. */
function refuseTaken(projectDir: string, name: string): void {
  const profiled = splitProfiled(projectDir, name)
  if (profiled === null) return
  throw new Fault(
    "image/bad-name",
    `${name} is what image ${profiled.name} of the profile ${profiled.profile} is kept as`,
    {
      hint: "choose another name, so that both can be built",
    },
  )
}

/** Whole or not at all, and never over a file that is there. */
async function writeNew(path: string, text: string, file: string): Promise<void> {
  const beside = `${path}.new-${process.pid}`
  await writeFile(beside, text)
  try {
    await link(beside, path)
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST")) throw thrown
    throw new Fault("image/exists", `${file} is there already`, {
      hint: "choose another name, or edit that file; nothing was changed",
      cause: thrown,
    })
  } finally {
    await rm(beside, { force: true })
  }
}

function renderStart({ name, base }: NewImage): string {
  return `# What the image ${name} is made of. It begins with all that images/${base}/image.toml says; lists here are
# added to those there, single values win over them. docs/definitions.md describes every key.
name = "${name}"
description = "${base}, and what my agents need"
extends = "${base}"

# Packages of Debian trixie; what they depend on comes with them. \`apt-cache search\` finds names.
[debian]
packages = [
  # "jq",
]

# A program from the npm registry. \`npm view NAME version dist.integrity\` prints what to pin.
# [[npm]]
# name = "@earendil-works/pi-coding-agent"
# version = "1.5.2"
# integrity = "sha512-…"
# why = "the agent of this image"
# tree = { to = "/usr/lib/node_modules/@earendil-works/pi-coding-agent", bin = { pi = "dist/bundle/cli.js" } }

# Files of your own: images/${name}/files/etc/motd becomes /etc/motd, and an x bit stays.

# What may go of what the packages brought. Each such choice says why.
# [[prune]]
# paths = ["/usr/share/vim"]
# why = "nobody edits in the machine"

# What machines may reach, by sets of policies/egress: anthropic, openai, google, npm, pypi, crates, debian or your own.
# Without a set nothing leaves.
[egress]
sets = []

# Variables of the agent's processes. Never a secret: credentials stay on the host.
[env]
# TZ = "UTC"

# What a machine gets unless its card says otherwise. Single values of images/${base} stay where none stands here.
[resources]
# memory_mib = 2048
`
}
