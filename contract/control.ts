/**
 * The control wire: HTTP/2 over the virtio-serial port `stereo.control`, host service → guest agent.
 *
 * | request | answer |
 * |---|---|
 * | GET /health | GuestHealth |
 * | PUT /identity, GuestIdentity | 204; after it the machine may be used |
 * | GET /firewall | `nft -j list ruleset`, as the kernel gives it |
 * | GET /measurements | lines of JSON without end, see measurement.ts: all that is measured, then each change |
 * | POST /ssh/agent, POST /ssh/root | 200 and a duplex stream that is `sshd -i`, which lets in that user |
 * | POST /shutdown | 202, then power off |
 */

import { z } from "zod"

export const guestHealth = z.strictObject({
  /** /proc/sys/kernel/random/boot_id */
  bootId: z.string().max(64),
  uptimeMs: z.number().nonnegative(),
  /** nftables rules are loaded, as last measured. */
  firewall: z.boolean(),
  /** The capture proxy accepts connections. */
  capture: z.boolean(),
  /** `PUT /identity` has been received since boot. */
  identified: z.boolean(),
})
export type GuestHealth = z.infer<typeof guestHealth>

/** What the host tells the guest; nothing in it is secret beyond this machine. */
export interface GuestIdentity {
  readonly name: string
  readonly runId: string
  /** The host's clock, milliseconds since 1970. */
  readonly epochMs: number
  /** 64 random bytes for the guest's pool. */
  readonly entropyHex: string
  /** Environment of the agent's processes: image's, card's and placeholders. */
  readonly env: Readonly<Record<string, string>>
  readonly ssh: { readonly authorizedKey: string; readonly hostPrivateKey: string }
}
