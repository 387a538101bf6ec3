/** The npm packages of an image: those that its definition names, and those that its npm lock files pin. Pure. */

import { Fault } from "../../contract/fault.ts"
import type { ImageDefinition } from "../image-definition.ts"
import type { PlannedNpm } from "../plan.ts"
import type { LockedNpm } from "./read-npm-lock.ts"
import type { Sources } from "./read-sources.ts"

export interface NpmPlan {
  readonly packages: readonly PlannedNpm[]
  /** Commands, as links in /usr/bin. */
  readonly links: readonly { readonly path: string; readonly target: string }[]
}

type NpmPart = ImageDefinition["npm"][number]
type TreePart = ImageDefinition["npm_tree"][number]

export function planNpm(definition: ImageDefinition, sources: Pick<Sources, "pins" | "npmLocks">): NpmPlan {
  const named = definition.npm.map((part) => ({
    package: planPart(definition.name, part, sources.pins),
    links: Object.entries(part.tree?.bin ?? {}).map(([name, file]) => link(name, `${part.tree?.to}/${file}`)),
  }))
  const locked = definition.npm_tree.map((part) =>
    planTree(definition.name, part, sources.npmLocks.get(part.lock) ?? []),
  )
  return {
    packages: [...named.map((one) => one.package), ...locked.flatMap(({ packages }) => packages)],
    links: [...named, ...locked].flatMap(({ links }) => links),
  }
}

function planPart(image: string, part: NpmPart, pins: Sources["pins"]): PlannedNpm {
  const { name, files, tree } = part
  if (files.length === 0 && !tree) {
    throw new Fault("image/nothing-taken", `image ${image}: [[npm]] ${name} takes nothing of the package`, {
      hint: 'say what: files = [{ from = "…", to = "/usr/bin/…" }], or tree = { to = "/usr/lib/node_modules/…" }',
    })
  }
  const pin = pins.get(name)
  return {
    name,
    version: part.version ?? pin?.version ?? "",
    integrity: part.integrity ?? pin?.integrity ?? "",
    files: files.map((file) => ({ ...file, mode: Number.parseInt(file.mode, 8) })),
    // absent where no image says it, so that the plans of those stay what they were
    ...(tree ? { tree: { to: tree.to, leave: tree.leave, executable: Object.values(tree.bin) } } : {}),
  }
}

function planTree(image: string, part: TreePart, locked: readonly LockedNpm[]): NpmPlan {
  const commands = new Map(
    locked.flatMap(({ place, bin }) => Object.entries(bin).map(([name, file]) => [name, { place, file }])),
  )
  const links = part.bin.map((name) => {
    const found = commands.get(name)
    if (found) return link(name, `${part.to}/${found.place}/${plainFile(found.file)}`)
    throw new Fault(
      "image/no-command",
      `image ${image}: no package of ${part.lock} has the command "${name}"`,
      {
        hint: `commands there: ${[...commands.keys()].sort().join(", ") || "none"}`,
      },
    )
  })
  const packages = locked.map(({ name, version, integrity, place, bin }) => {
    const executable = Object.values(bin).map(plainFile)
    return {
      name,
      version,
      integrity,
      files: [],
      tree: { to: `${part.to}/${place}`, leave: part.leave, executable },
    }
  })
  return { packages, links }
}

function plainFile(file: string): string {
  return file.replace(/^\.\//, "")
}

function link(name: string, target: string) {
  return { path: `/usr/bin/${name}`, target }
}
