/** What the host tells this machine to be: checked, then made true. */

import { chmod, mkdir, writeFile } from "node:fs/promises"
import type { GuestIdentity } from "../../contract/control.ts"
import { Fault } from "../../contract/fault.ts"
import { GUEST_UNITS } from "../../contract/wire.ts"
import { askUnit } from "./connect-unit.ts"
import { renderSshdConfig, SSH_FILES } from "./sshd-config.ts"

/** Beyond this the clock is set; less is left alone, since each set is a jump for everyone. */
const CLOCK_TOLERANCE_MS = 1_000

/** Names the field that is wrong; the host is trusted, so this finds mistakes, not attacks. */
export function parseIdentity(body: unknown): GuestIdentity {
  const identity = record(body, "the body")
  const ssh = record(identity["ssh"], "ssh")
  const env = record(identity["env"], "env")
  const epochMs = identity["epochMs"]
  if (typeof epochMs !== "number" || !Number.isSafeInteger(Math.trunc(epochMs)) || epochMs < 1e12) {
    throw bad("epochMs", "milliseconds since 1970")
  }
  return {
    name: matching(identity["name"], "name", /^[a-z0-9][a-z0-9-]{0,62}$/, "a host name"),
    runId: matching(identity["runId"], "runId", /^[0-9a-z]{26}$/, "26 characters of base 32"),
    epochMs,
    entropyHex: matching(identity["entropyHex"], "entropyHex", /^(?:[0-9a-f]{2}){16,1024}$/, "hex digits"),
    env: Object.fromEntries(Object.entries(env).map(([name, value]) => [name, text(value, `env.${name}`)])),
    ssh: {
      authorizedKey: matching(
        ssh["authorizedKey"],
        "ssh.authorizedKey",
        /^ssh-\S+ \S+[^\n]*\n?$/,
        "one public key",
      ),
      hostPrivateKey: matching(
        ssh["hostPrivateKey"],
        "ssh.hostPrivateKey",
        /^-----BEGIN /,
        "a private key in PEM",
      ),
    },
  }
}

/** `nowMs` is the guest's clock. Clock and entropy come first: keys and certificates depend on them. */
export async function applyIdentity(identity: GuestIdentity, nowMs: () => number): Promise<void> {
  const isRight = Math.abs(identity.epochMs - nowMs()) <= CLOCK_TOLERANCE_MS
  const seconds = isRight ? "-" : (identity.epochMs / 1000).toFixed(3)
  const said = (await askUnit(GUEST_UNITS.identity, `${identity.name} ${seconds}\n`)).toString()
  if (said !== "done\n") throw new Fault("agent/no-identity", "name and clock could not be set")
  await writeFile("/dev/urandom", Buffer.from(identity.entropyHex, "hex"))
  await mkdir(SSH_FILES.dir, { recursive: true })
  await chmod(SSH_FILES.dir, 0o755)
  await writeReadable(SSH_FILES.hostKey, withNewline(identity.ssh.hostPrivateKey))
  await writeReadable(SSH_FILES.authorizedKeys, withNewline(identity.ssh.authorizedKey))
  await writeReadable(SSH_FILES.config, renderSshdConfig(identity.env))
}

/**
 * The agent's sshd is the agent, and reads what it needs. The host key proves this machine to a host that reaches it by
 * a wire of its own: whoever is in the guest gains nothing by it.
 */
async function writeReadable(path: string, content: string): Promise<void> {
  await writeFile(path, content)
  await chmod(path, 0o644)
}

function record(value: unknown, field: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(field, "an object")
  return Object.fromEntries(Object.entries(value))
}

function text(value: unknown, field: string): string {
  if (typeof value !== "string") throw bad(field, "a string")
  return value
}

function matching(value: unknown, field: string, pattern: RegExp, wanted: string): string {
  const found = text(value, field)
  if (!pattern.test(found)) throw bad(field, wanted)
  return found
}

function bad(field: string, wanted: string): Fault {
  return new Fault("agent/bad-identity", `PUT /identity: ${field}: expected ${wanted}`)
}

function withNewline(content: string): string {
  return content.endsWith("\n") ? content : `${content}\n`
}
