/**
 * The host service's own interface: HTTP/2 on `host.sock`, for the CLI of the same user.
 *
 * | request | answer |
 * |---|---|
 * | GET /health | HostHealth |
 * | POST /machines/NAME/attach | 204 once the machine's egress socket is listened on (reads machine.json) |
 * | GET /machines/NAME/ready?timeout_ms=N | ReadyReport once the guest has its identity and is what its manifest promised; 504 with HostError otherwise, 409 when it is something else |
 * | GET /machines/NAME/agent?timeout_ms=N | the same as soon as the guest has its identity, whatever it is found to be |
 * | GET /machines/NAME/attestation | AttestationState |
 * | any /machines/NAME/control/PATH | relayed to the guest agent's control wire as PATH, both bodies streamed |
 * | POST /machines/NAME/detach | 204; the machine's sockets are closed and unlinked |
 * | any /machines/NAME/egress… and POST /machines/NAME/reload | see host-egress-api.ts |
 * | POST /stop | 202, then ends |
 *
 * Errors are HostError with a 4xx or 5xx status.
 */

import { z } from "zod"
import { guestHealth } from "./control.ts"

export const hostHealth = z.strictObject({
  pid: z.int(),
  version: z.string(),
  startedAt: z.iso.datetime(),
  machines: z.array(z.string()),
})
export type HostHealth = z.infer<typeof hostHealth>

export const readyReport = z.strictObject({
  health: guestHealth,
  /** From attach to the first answered health request. */
  controlMs: z.number(),
  /** From attach to the acknowledged identity. */
  readyMs: z.number(),
})
export type ReadyReport = z.infer<typeof readyReport>

export const hostError = z.strictObject({
  error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() }),
})
export type HostError = z.infer<typeof hostError>
