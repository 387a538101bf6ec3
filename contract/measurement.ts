/** What a guest says that it is, line by line on `GET /measurements` of the control wire, and what the host makes of it. */

import { z } from "zod"

const unitEntry = z.strictObject({
  path: z.string().max(4096),
  kind: z.enum(["file", "link", "other"]),
  content: z.string().max(4096),
  mode: z.string().max(8),
})

/** Where the root file system comes from, as the guest's kernel tells it. */
const measuredRoot = z.strictObject({
  /** The dm-verity hash of `stereo.root` on the kernel's command line; empty when there is none. */
  hash: z.string().max(128),
  /** What is mounted at `/`, for example `erofs /dev/mapper/root ro`. */
  mount: z.string().max(512),
  /** The device under it, for example `dm root ro on vda`; empty when it is none of the device mapper. */
  device: z.string().max(512),
  /** Mount points that hide a part of the image: in /usr, /etc and the like. */
  covered: z.array(z.string().max(4096)).max(1000),
})
export type MeasuredRoot = z.infer<typeof measuredRoot>

/** All that is measured, at one moment. */
const measured = z.strictObject({
  kind: z.literal("measured"),
  /** /proc/sys/kernel/random/boot_id */
  bootId: z.string().max(64),
  /** New with each start of the guest agent. */
  agentId: z.string().max(64),
  /** Whether the kernel has announced a change of the packet filter since this agent first measured. */
  changed: z.boolean(),
  /** `nft -j list ruleset`, parsed. */
  ruleset: z.unknown(),
  units: z.array(unitEntry).max(5000),
  root: measuredRoot,
})
export type Measured = z.infer<typeof measured>

export const measurementLine = z.discriminatedUnion("kind", [
  measured,
  /** The kernel announced a change of the packet filter; `measured` follows. */
  z.strictObject({ kind: z.literal("changing") }),
  /** Changes cannot be seen at the moment; `measured` follows once they can. */
  z.strictObject({ kind: z.literal("unwatched"), reason: z.string().max(512) }),
  /** Nothing has changed since the last line. */
  z.strictObject({ kind: z.literal("alive") }),
])
export type MeasurementLine = z.infer<typeof measurementLine>

/** Whether a machine is what its manifest promised; `GET /machines/NAME/attestation` on host.sock. */
export const attestationState = z.strictObject({
  /** `pending` and `silent` may still become `attested`; `refused` lasts until the machine is started anew. */
  state: z.enum(["pending", "attested", "refused", "silent"]),
  /** The rule by which calls are refused meanwhile; null when they are not. */
  rule: z
    .enum([
      ...["attestation/pending", "attestation/silent", "attestation/ruleset"],
      ...["attestation/root", "attestation/units", "attestation/boot"],
    ] as const)
    .nullable(),
  /** In words; null while attested. */
  reason: z.string().nullable(),
  since: z.iso.datetime(),
  bootId: z.string().nullable(),
  expected: z.strictObject({ rootHash: z.string(), rulesetSha256: z.string(), unitsSha256: z.string() }),
  /** What was measured last; null when nothing was. */
  found: z
    .strictObject({ rootHash: z.string(), rulesetSha256: z.string(), unitsSha256: z.string() })
    .nullable(),
})
export type AttestationState = z.infer<typeof attestationState>
