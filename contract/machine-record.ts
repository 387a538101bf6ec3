/** `machine.json`: what is known of a machine. Written by the launcher, read by the host service and the CLI. */

import { z } from "zod"
import { machineName } from "./card.ts"
import { sha256Hex } from "./manifest.ts"

/** A process, safe against reuse of its id: the start time is field 22 of /proc/PID/stat. */
export const processRef = z.strictObject({ pid: z.int().positive(), startTicks: z.string().regex(/^\d+$/) })
export type ProcessRef = z.infer<typeof processRef>

export const machineRecord = z.strictObject({
  schema: z.literal(1),
  name: machineName,
  /** New with every start; the trusted half of a session's id. 26 characters, sortable by time. */
  runId: z.string().regex(/^[0-9a-z]{26}$/),
  image: z.strictObject({
    name: z.string(),
    plan: sha256Hex,
    rootHash: sha256Hex,
    /** What the machine must be found to be before anything may leave it, beside its root hash. */
    measurements: z.strictObject({ rulesetSha256: sha256Hex, unitsSha256: sha256Hex }),
    dir: z.string(),
  }),
  accelerator: z.enum(["kvm", "tcg"]),
  /** What holds a hostile guest inside QEMU: `none` under TCG, for which QEMU promises no isolation. */
  isolation: z.enum(["hardware", "none"]).optional(),
  /** `starting` until the guest agent is ready; what is really alive is read from the processes. */
  state: z.enum(["starting", "running", "failed", "stopped"]),
  /** Why it failed, with the stage. */
  failure: z.string().nullable(),
  /** The machine lives no longer than this process (`run`, and `up` until ready); null: until `down`. */
  owner: processRef.nullable(),
  /** `run`: the folder goes when the machine ends. */
  ephemeral: z.boolean(),
  qemu: processRef.nullable(),
  createdAt: z.iso.datetime(),
  team: z.string(),
  project: z.string(),
  resources: z.strictObject({ cpus: z.int(), memoryMib: z.int(), diskMib: z.int() }),
  egressSets: z.array(z.string()),
  /** What one run may send, in MiB; absent: 1024. */
  egressBudgetMib: z.int().positive().optional(),
  env: z.record(z.string(), z.string()),
  /** What the agent holds instead of a credential, by provider; worthless outside this machine. */
  placeholders: z.record(z.string(), z.string()),
  ssh: z.strictObject({
    /** OpenSSH public key that may log in, as agent and as root. */
    clientPublicKey: z.string(),
    clientPrivateKey: z.string(),
    hostPublicKey: z.string(),
    hostPrivateKey: z.string(),
  }),
})
export type MachineRecord = z.infer<typeof machineRecord>
