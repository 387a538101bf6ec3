/** The measure stage: what a machine of this image must say of itself before anything may leave it. */

import { readFile, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { digestRuleset } from "../contract/canonical-ruleset.ts"
import { Fault } from "../contract/fault.ts"
import type { Manifest } from "../contract/manifest.ts"
import { digestUnitSet } from "../contract/unit-set.ts"
import type { Sealed } from "./make-artifact.ts"
import { type FirewallSource, measureRuleset, RULESET_FILES } from "./measure/measure-ruleset.ts"
import { measureUnits, UNITS_FILE } from "./measure/measure-units.ts"
import type { ResolvedPlan } from "./resolve-plan.ts"
import type { Stages } from "./stages.ts"

/** Where the guest loads its packet filter from; its unit is the same in every image. */
const FIREWALL = "/usr/lib/stereo/firewall.nft"

export interface Measured {
  readonly measurements: Manifest["measurements"]
  /** By what the manifest calls them. */
  readonly files: Readonly<Record<"firewall" | "ruleset" | "units", string>>
}

export async function makeMeasurements(
  resolved: ResolvedPlan,
  sealed: Sealed,
  toolsDir: string,
  stages: Stages,
): Promise<Measured> {
  const firewall = findFirewall(resolved)
  const dir = await stages.stage({
    name: "measure",
    title: "measure: packet filter and units",
    inputs: {
      firewall: firewall.sha256,
      tar: sealed.tarSha256,
      tools: basename(toolsDir),
      recipe: resolved.plan.recipes.measure,
    },
    make: async (work) => {
      await measureRuleset({ ...stages.runner, firewall, toolsDir, dir: work })
      await writeFile(join(work, UNITS_FILE), await measureUnits(sealed.tar))
    },
  })
  const files = {
    firewall: join(dir, RULESET_FILES.firewall),
    ruleset: join(dir, RULESET_FILES.ruleset),
    units: join(dir, UNITS_FILE),
  }
  const measurements = {
    ruleset_sha256: digestRuleset(await readFile(files.ruleset, "utf8")),
    units_sha256: digestUnitSet(await readFile(files.units, "utf8")),
  }
  return { measurements, files }
}

function findFirewall({ plan, contents }: ResolvedPlan): FirewallSource & { readonly sha256: string } {
  const entry = plan.entries.find(({ path }) => path === FIREWALL)
  const bytes = entry?.kind === "file" ? contents.get(entry.sha256) : undefined
  if (entry?.kind === "file" && bytes) return { bytes, from: entry.from, sha256: entry.sha256 }
  throw new Fault("measure/no-firewall", `image ${plan.name} has no packet filter at ${FIREWALL}`, {
    hint: 'extend base, or give it one: [[template]] from = "nftables.njk", to = "/usr/lib/stereo/firewall.nft"',
  })
}
