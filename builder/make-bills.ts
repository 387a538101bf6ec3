/** The describe stage: what an image is made of, as SPDX and as CycloneDX, complete or not at all. */

import { createHash } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { z } from "zod"
import type { ImageLock } from "../contract/image-lock.ts"
import { storedName } from "../contract/image-name.ts"
import { inventory } from "../contract/inventory.ts"
import type { BootRecord } from "./artifact/make-boot.ts"
import { collectComponents, type PlacedNpm } from "./describe/collect-components.ts"
import type { BillOfMaterial } from "./describe/component.ts"
import { hashTree } from "./describe/hash-tree.ts"
import { readNpmArchive } from "./describe/read-npm-package.ts"
import { renderCycloneDx } from "./describe/render-cyclonedx.ts"
import { renderSpdx } from "./describe/render-spdx.ts"
import type { Sealed } from "./make-artifact.ts"
import type { Rootfs } from "./make-rootfs.ts"
import type { PackageRecord } from "./package-record.ts"
import type { ResolvedPlan } from "./resolve-plan.ts"
import type { Stages } from "./stages.ts"

export interface BillsRequest {
  readonly projectDir: string
  readonly resolved: ResolvedPlan
  readonly lock: ImageLock
  readonly rootfs: Rootfs
  readonly sealed: Sealed
  /** The folder with the kernel's file and the initramfs. */
  readonly bootDir: string
  readonly stages: Stages
}

/** By what the manifest calls them. */
export type Bills = Readonly<Record<"spdx" | "cyclonedx", string>>

const packageJson = z.looseObject({ version: z.string(), license: z.string() })

export async function makeBills(request: BillsRequest): Promise<Bills> {
  const { resolved, sealed, lock, rootfs, stages, projectDir } = request
  const own = packageJson.parse(JSON.parse(await readFile(join(projectDir, "package.json"), "utf8")))
  const { plan, bundled } = resolved
  const boot = await findBootPackages(request)
  const dir = await stages.stage({
    name: "describe",
    title: "describe: bills of material",
    inputs: {
      tar: sealed.tarSha256,
      plan: resolved.sha256,
      epoch: lock.epoch,
      boot: boot.map(({ sha256 }) => sha256),
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
        boot,
        npm: await placeNpms(plan.npm, rootfs),
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

/** Of the boot packages those of which the kernel's file or the initramfs has a part. */
async function findBootPackages({ bootDir, rootfs }: BillsRequest): Promise<readonly PackageRecord[]> {
  const { sources }: BootRecord = JSON.parse(await readFile(join(bootDir, "boot.json"), "utf8"))
  const owners = new Set(sources.map((path) => rootfs.boot.owners.get(path)))
  return rootfs.boot.packages.filter(({ name }) => owners.has(name))
}

/** One by one, since each archive is read again and some are large. */
async function placeNpms(npms: ResolvedPlan["plan"]["npm"], rootfs: Rootfs): Promise<PlacedNpm[]> {
  const placed: PlacedNpm[] = []
  for (const npm of npms) {
    const where = `npm package ${npm.name} ${npm.version}`
    placed.push({
      facts: await readNpmArchive(await rootfs.npmArchive(npm), where),
      integrity: npm.integrity,
      folder: npm.tree?.to ?? null,
      files: npm.files.map(({ to }) => to),
    })
  }
  return placed
}
