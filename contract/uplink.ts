/**
 * The uplink wire: HTTP/2 over the virtio-serial port `stereo.uplink`, guest agent → host collector.
 * `POST /envelopes` with a JSON array of Envelope; 204 acknowledges all of them (they are durable).
 * Unacknowledged envelopes are spooled and sent again; the host drops repeats by `id`.
 */

import { z } from "zod"
import { sha256Hex } from "./manifest.ts"

/** The capture proxy's own account of an exchange. A claim: the host compares it with what it saw. */
export const envelope = z.strictObject({
  /** As in the request header `stereo-exchange`. */
  id: z.string().regex(/^[0-9a-z]{26}$/),
  startedAtMs: z.number(),
  endedAtMs: z.number(),
  /** How the request came to the proxy. */
  via: z.enum(["explicit", "redirect"]),
  process: z.strictObject({ pid: z.int(), executable: z.string().max(4096) }).nullable(),
  method: z.string().max(32),
  authority: z.string().max(1024),
  path: z.string().max(65536),
  status: z.int().nullable(),
  /** Of the bodies as they crossed the proxy, before any end marker. */
  requestSha256: sha256Hex,
  requestBytes: z.int().nonnegative(),
  responseSha256: sha256Hex,
  responseBytes: z.int().nonnegative(),
  outcome: z.enum(["complete", "client-aborted", "gateway-aborted"]),
})
export type Envelope = z.infer<typeof envelope>

export const envelopeBatch = z.array(envelope).max(1000)
