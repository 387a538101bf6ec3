/** The describe stage: what an image is made of, as SPDX and as CycloneDX, complete or not at all. */

import { createHash } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import type { ImageLock } from "../contract/image-lock.ts"
import { storedName } from "../contract/image-name.ts"
import { inventory } from "../contract/inventory.ts"
import { collectComponents, type PlacedNpm } from "./describe/collect-components.ts"
import type { BillOfMaterial } from "./describe/component.ts"
import { hashTree } from "./describe/hash-tree.ts"
import { readNpmArchive } from "./describe/read-npm-package.ts"
import { renderCycloneDx } from "./describe/render-cyclonedx.ts"
import { renderSpdx } from "./describe/render-spdx.ts"
import type { Sealed } from "./make-artifact.ts"
import type { Rootfs } from "./make-rootfs.ts"
import type { ResolvedPlan } from "./resolve-plan.ts"
import type { Stages } from "./stages.ts"

export interface BillsRequest {
  readonly projectDir: string
  readonly resolved: ResolvedPlan
  readonly lock: ImageLock
  readonly rootfs: Rootfs
  readonly sealed: Sealed
  /** Archive of an npm package, by its integrity. */
  readonly archiveOf: (npm: PlannedArchive) => string
  /** Names of the packages of which the kernel's file and the initramfs have parts. */
  readonly bootOwners: readonly string[]
  readonly stages: Stages
}

type PlannedArchive = ResolvedPlan["plan"]["npm"][number]

/** By what the manifest calls them. */
export type Bills = Readonly<Record<"spdx" | "cyclonedx", string>>

const packageJson = z.looseObject({ version: z.string(), license: z.string() })

export async function makeBills(request: BillsRequest): Promise<Bills> {
  const { resolved, sealed, lock, rootfs, bootOwners, stages, projectDir } = request
  const own = packageJson.parse(JSON.parse(await readFile(join(projectDir, "package.json"), "utf8")))
  const { plan, bundled } = resolved
  const dir = await stages.stage({
    name: "describe",
    title: "describe: bills of material",
    inputs: {
      tar: sealed.tarSha256,
      plan: resolved.sha256,
      epoch: lock.epoch,
      boot: rootfs.boot.packages.filter(({ name }) => bootOwners.includes(name)).map(({ sha256 }) => sha256),
      bundled: [...bundled],
      own: { version: own.version, license: own.license },
      recipe: plan.recipes.describe,
    },
    make: async (work) => {
      const inventoryText = await readFile(sealed.inventory, "utf8")
      const collected = collectComponents({
        inventory: inventory.parse(JSON.parse(inventoryText)),
        tree: await hashTree(sealed.tar),
        root: rootfs.root.packages,
        boot: rootfs.boot.packages.filter(({ name }) => bootOwners.includes(name)),
        npm: await Promise.all(plan.npm.map((npm) => placeNpm(npm, request.archiveOf(npm)))),
        programs: bundled,
        own,
      })
      const bill: BillOfMaterial = {
        ...collected,
        image: storedName(plan),
        plan: resolved.sha256,
        inventorySha256: createHash("sha256").update(inventoryText).digest("hex"),
        created: new Date(lock.epoch * 1000).toISOString().replace(/\.\d+Z$/, "Z"),
        toolVersion: own.version,
      }
      await writeFile(join(work, "sbom.spdx.json"), renderSpdx(bill))
      await writeFile(join(work, "sbom.cdx.json"), renderCycloneDx(bill))
    },
  })
  return { spdx: join(dir, "sbom.spdx.json"), cyclonedx: join(dir, "sbom.cdx.json") }
}

async function placeNpm(npm: PlannedArchive, archive: string): Promise<PlacedNpm> {
  return {
    facts: await readNpmArchive(archive, `npm package ${npm.name} ${npm.version}`),
    integrity: npm.integrity,
    folder: npm.tree?.to ?? null,
    files: npm.files.map(({ to }) => to),
  }
}
