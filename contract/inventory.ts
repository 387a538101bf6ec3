/** `inventory.json`: every path of an image's root file system, what it is, and what accounts for it. */

import { z } from "zod"
import { sha256Hex } from "./manifest.ts"

/**
 * Why a path is in the image: a package of Debian (`deb:NAME`) or npm (`npm:NAME`), or the definition
 * (`definition:FILE`, with the file of the project that says so).
 */
export const origin = z
  .string()
  .regex(/^(?:deb|npm|definition):\S+$/, "expected deb:NAME, npm:NAME or definition:FILE")

const place = { path: z.string().startsWith("/"), origin }
const owner = { mode: z.int().min(0).max(0o7777), uid: z.int().nonnegative(), gid: z.int().nonnegative() }

export const inventory = z.strictObject({
  schema: z.literal(1),
  /** Sorted by path; parents before what lies in them. */
  entries: z.array(
    z.discriminatedUnion("kind", [
      z.strictObject({
        kind: z.literal("file"),
        ...place,
        ...owner,
        sha256: sha256Hex,
        size_bytes: z.int().nonnegative(),
      }),
      z.strictObject({ kind: z.literal("directory"), ...place, ...owner }),
      z.strictObject({ kind: z.literal("link"), ...place, target: z.string() }),
    ]),
  ),
})
export type Inventory = z.infer<typeof inventory>
export type InventoryEntry = Inventory["entries"][number]
