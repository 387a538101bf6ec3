/** Resolves a flat definition and the sources it reads into a plan. Pure. */

import { Fault } from "../../contract/fault.ts"
import type { Site, SiteWall } from "../../contract/site.ts"
import type { ImageDefinition } from "../image-definition.ts"
import type { Plan, PlannedEntry, PlannedExposure } from "../plan.ts"
import { type NpmPlan, planNpm } from "./plan-npm.ts"
import { loosenForNamespaces, planSession } from "./plan-session.ts"
import type { Sources } from "./read-sources.ts"
import { planSysctls } from "./render-sysctls.ts"

const UNIT_DIR = "/usr/lib/systemd/system"
const LOCAL_UNIT_DIR = "/etc/systemd/system"

export interface Identity {
  readonly name: string
  readonly profile: string
  /** All that lies over each other, the undermost first. */
  readonly layers: readonly ImageDefinition[]
  readonly site: Site | null
}

export function planImage(flat: ImageDefinition, identity: Identity, sources: Sources): Plan {
  const { name, profile, layers, site } = identity
  // of name and description the profile's would be the last
  const definition = {
    ...flat,
    name,
    description: layers.find((one) => one.name === name)?.description ?? "",
  }
  if (site !== null && definition.site !== true) throw unusedSite(name, profile)
  const { suite } = definition.debian
  if (suite === undefined) throw missing(definition, "debian.suite", 'suite = "trixie"')
  const { cpus, memory_mib, disk_mib } = definition.resources
  if (cpus === undefined) throw missing(definition, "resources.cpus", "cpus = 2")
  if (memory_mib === undefined) throw missing(definition, "resources.memory_mib", "memory_mib = 1024")
  if (disk_mib === undefined) throw missing(definition, "resources.disk_mib", "disk_mib = 1024")
  const { compression } = definition.root
  if (compression === undefined) {
    throw missing(definition, "root.compression", '[root.compression] method = "zstd", why = "…"')
  }
  const npm = planNpm(definition, sources)
  return {
    schema: 1,
    name,
    profile,
    description: definition.description,
    // absent where there is none, so that the plans of those stay what they were
    ...(site === null ? {} : { site: wallOf(site) }),
    lineage: layers.map((layer) => layer.name),
    arch: "x86_64",
    debian: { suite, packages: sorted(definition.debian.packages) },
    boot: { packages: sorted(definition.boot.packages) },
    npm: npm.packages,
    entries: planEntries(definition, sources, npm.links),
    prune: definition.prune.map(({ paths, keep, why }) => ({ items: paths, keep, why })),
    keep: definition.keep.map(({ paths, why }) => ({ items: paths, why })),
    libraries: definition.library.map(({ names, why }) => ({ items: names, why })),
    root: { compression },
    kernel: {
      modules: definition.kernel.modules.map(({ names, for_root, why }) => ({
        items: names,
        forRoot: for_root,
        why,
      })),
      options: definition.kernel.options,
    },
    sysctls: planSysctls(definition),
    session: planSession(definition),
    gates: {
      exposures: planExposures(definition),
      exceptions: definition.exception,
      budget: planBudget(definition),
    },
    resources: { cpus, memoryMib: memory_mib, diskMib: disk_mib },
    egressSets: definition.egress.sets,
    // absent where no image says it, so that the plans of those stay what they were
    ...(definition.egress.budget_mib === undefined ? {} : { egressBudgetMib: definition.egress.budget_mib }),
    env: definition.env,
    recipes: sources.recipes,
  }
}

function wallOf({ gateway: { address, port }, ssh }: Site): SiteWall {
  return { gateway: { address, port }, ssh: { allow: ssh.allow.map(({ net }) => net) } }
}

function unusedSite(name: string, profile: string): Fault {
  return new Fault(
    "image/unused-site",
    `image ${name} of the profile ${profile} runs on this host, and takes no site`,
    { hint: "leave --site out, or build it with --profile ec2" },
  )
}

function missing(definition: ImageDefinition, key: string, example: string): Fault {
  return new Fault(
    "image/incomplete",
    `image ${definition.name}: neither it nor what it extends gives ${key}`,
    {
      hint: `write for example ${example}`,
    },
  )
}

/** By path, sorted; where two claim a path the later one of the definition's order stands. */
function planEntries(
  definition: ImageDefinition,
  sources: Sources,
  commands: NpmPlan["links"],
): PlannedEntry[] {
  const ids = new Map(definition.user.map(({ name, uid, gid }) => [name, { uid, gid }]))
  const idsOf = (user: string) => {
    const found = ids.get(user)
    if (found) return found
    throw new Fault("image/unknown-user", `image ${definition.name}: there is no user "${user}"`, {
      hint: `users: ${[...ids.keys()].join(", ")}`,
    })
  }
  const entries = new Map<string, PlannedEntry>()
  const add = (entry: PlannedEntry) => entries.set(entry.path, entry)
  for (const { path, mode, user } of definition.directory) {
    add({ kind: "directory", path, mode: Number.parseInt(mode, 8), ...idsOf(user), from: "image.toml" })
  }
  for (const file of sources.files) add({ kind: "file", ...file, uid: 0, gid: 0 })
  for (const { path, target } of [...commands, ...definition.link, ...unitLinks(definition)]) {
    add({ kind: "link", path, target, from: "image.toml" })
  }
  for (const { path, mode, user } of definition.owner) {
    const entry = entries.get(path)
    if (entry?.kind !== "file") {
      throw new Fault(
        "image/no-such-file",
        `image ${definition.name}: [[owner]] names ${path}, which no files/ has`,
        { hint: `write files${path} beside its image.toml, or take the [[owner]] out` },
      )
    }
    add({
      ...entry,
      mode: mode === undefined ? entry.mode : Number.parseInt(mode, 8),
      ...(user === undefined ? {} : idsOf(user)),
    })
  }
  return [...entries.values()].sort((left, right) => (left.path < right.path ? -1 : 1))
}

function unitLinks(definition: ImageDefinition): { path: string; target: string }[] {
  const masks = definition.mask.flatMap(({ units }) => units)
  const wants = definition.enable.flatMap(({ units, target }) => units.map((unit) => ({ unit, target })))
  return [
    ...masks.map((unit) => ({ path: `${LOCAL_UNIT_DIR}/${unit}`, target: "/dev/null" })),
    ...wants.map(({ unit, target }) => ({
      path: `${LOCAL_UNIT_DIR}/${target}.wants/${unit}`,
      target: `${UNIT_DIR}/${unit}`,
    })),
  ]
}

function planExposures(definition: ImageDefinition): PlannedExposure[] {
  const written = definition.exposure.map(({ units, at_most, why }) => {
    return { units, atMost: Math.round(at_most * 10), why }
  })
  return [...written, ...loosenForNamespaces(definition).exposures]
}

/** Without the keys that nobody gave, as JSON has them. */
function planBudget({ budget: { tree, root } }: ImageDefinition): Plan["gates"]["budget"] {
  return { ...(tree === undefined ? {} : { tree }), ...(root === undefined ? {} : { root }) }
}

function sorted(names: readonly string[]): string[] {
  return [...new Set(names)].sort()
}
