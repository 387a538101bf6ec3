/** The instance's SSH host key, as its console shows it. The one channel to it that no third party can write to. */

import { Fault } from "../../../contract/fault.ts"
import { HOST_KEY_LINE } from "../../../contract/wire.ts"

/**
 * `ssh-ed25519 BASE64`, or null while the console does not show one. Only whole lines count: what a program of the
 * agent's could slip into the kernel's messages stands behind a time stamp. Faults: `ec2/two-host-keys`.
 */
export function readHostKey(console: string, instanceId: string): string | null {
  const lines = console.matchAll(/^(\S+:) (ssh-ed25519 [A-Za-z0-9+/]{68})\r*\n/gm)
  const keys = new Set([...lines].filter((line) => line[1] === HOST_KEY_LINE).map((line) => line[2] ?? ""))
  if (keys.size < 2) return [...keys][0] ?? null
  throw new Fault(
    "ec2/two-host-keys",
    `${instanceId} shows two host keys on its console: which one is its own cannot be told`,
    {
      hint: "it was started twice, or something writes to its console; it is terminated",
    },
  )
}
