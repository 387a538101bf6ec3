/** Signing by a command, for keys that are in a module, a card or a service and not in a file. */

import { verify } from "node:crypto"
import { Fault } from "../../contract/fault.ts"
import type { PublicKey } from "../public-key.ts"
import { type CommandOutcome, runShell } from "../run.ts"
import type { Signer } from "../signer.ts"

export interface CommandSignerRequest {
  readonly line: string
  readonly publicKey: PublicKey
  readonly timeoutMs?: number
  readonly signal: AbortSignal
}

/** Long enough for a person who must touch a key. */
const TIMEOUT_MS = 120_000
const SIGNATURE_BYTES = 64

/** Faults of `sign`: `sign/command-failed`, `sign/command-late`, `sign/odd-signature`, `sign/wrong-signature`. */
export function openCommandSigner(request: CommandSignerRequest): Signer {
  const { line, publicKey, signal, timeoutMs = TIMEOUT_MS } = request
  return {
    publicKey,
    sign: async (bytes) => {
      const outcome = await runShell(line, bytes, { timeoutMs, signal })
      refuseFailure(outcome, line, timeoutMs)
      const signature = parseSignature(outcome.stdout)
      if (signature === null) {
        throw new Fault(
          "sign/odd-signature",
          `the signing command printed no Ed25519 signature: ${describe(outcome.stdout)}, expected 64 bytes in base64`,
          { hint: `it gets the bytes to sign on standard input: ${line}` },
        )
      }
      if (verify(null, bytes, publicKey.key, signature)) return signature
      throw new Fault(
        "sign/wrong-signature",
        `what the signing command printed is no signature by key ${publicKey.id.slice(0, 16)} over what it was given`,
        {
          hint: "give the public key that belongs to it; it must sign standard input as it is, not a hash of it",
        },
      )
    },
  }
}

function refuseFailure(outcome: CommandOutcome, line: string, timeoutMs: number): void {
  const said = outcome.stderr.trim() === "" ? "" : `\n    ${outcome.stderr.trim().replaceAll("\n", "\n    ")}`
  const hint = `run it by hand: printf test | ${line}`
  if (outcome.killed === "time") {
    throw new Fault("sign/command-late", `the signing command did not end in ${timeoutMs / 1000} s${said}`, {
      hint,
    })
  }
  if (outcome.killed === "output") {
    throw new Fault("sign/odd-signature", "the signing command printed more than 64 KiB", { hint })
  }
  if (outcome.code === 0) return
  const ending = outcome.signal ? `was ended by ${outcome.signal}` : `ended with code ${outcome.code}`
  throw new Fault("sign/command-failed", `the signing command ${ending}${said}`, { hint })
}

function parseSignature(stdout: Buffer): Buffer | null {
  const text = stdout.toString("latin1").trim()
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return null
  const bytes = Buffer.from(text, "base64")
  return bytes.length === SIGNATURE_BYTES ? bytes : null
}

function describe(stdout: Buffer): string {
  return stdout.length === 0 ? "nothing" : `${stdout.length} bytes`
}
