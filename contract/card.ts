/** `jcard.toml`: how a machine is to run. Everything in it is optional; the image gives the rest. */

import { z } from "zod"

export const machineName = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/,
    "expected 1 to 32 lower-case letters, digits and inner dashes",
  )

export const card = z.strictObject({
  name: machineName.optional(),
  image: z.string().optional(),
  /** Who pays; stamped on each exchange by the host. */
  team: z.string().min(1).optional(),
  project: z.string().min(1).optional(),
  resources: z
    .strictObject({
      cpus: z.int().min(1).max(64).optional(),
      memory_mib: z.int().min(256).max(1_048_576).optional(),
      /** Size of the agent's home. */
      disk_mib: z.int().min(16).max(1_048_576).optional(),
    })
    .default({}),
  /** Egress sets in addition to the image's, by name. */
  egress: z
    .strictObject({
      sets: z.array(z.string()).default([]),
      /** MiB that one run may send in all, heads and bodies. */
      budget_mib: z.int().min(1).max(1_048_576).optional(),
    })
    .default({ sets: [] }),
  /** Non-secret variables for the agent's processes. Secrets stay on the host, in host.toml. */
  env: z
    .record(z.string().regex(/^[A-Z_][A-Z0-9_]*$/, "expected an upper-case variable name"), z.string())
    .default({}),
})
export type Card = z.infer<typeof card>
