/** The id of the session that an exchange belongs to: the run, and in it the harness's own session if it names one. */

import { createHash } from "node:crypto"
import type { ExchangeRow } from "./archive/schema.ts"

const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/** `RUN` or `RUN.CLAIM`; a claim that is no plain name stands as a digest, since the guest may write anything. */
export function sessionIdOf(exchange: Pick<ExchangeRow, "run_id" | "claimed_session">): string {
  const claim = exchange.claimed_session
  if (claim === null || claim === "") return exchange.run_id
  const name = PLAIN.test(claim) ? claim : createHash("sha256").update(claim).digest("hex").slice(0, 16)
  return `${exchange.run_id}.${name}`
}
