/** An instance's SSH host keys, as its console shows them. The one channel to it that no third party can write to. */

import { Fault } from "../../../contract/fault.ts"
import { HOST_KEY_LINE, type SSH_PORTS } from "../../../contract/wire.ts"

export type SshUser = keyof typeof SSH_PORTS

/**
 * Of the sshd that lets in `user`: `ssh-ed25519 BASE64`, or null while the console does not show one. Only whole lines
 * count: what a program of the agent's could slip into the kernel's messages stands behind a time stamp. Faults:
 * `ec2/two-host-keys`.
 */
export function readHostKey(console: string, user: SshUser, instanceId: string): string | null {
  const lines = console.matchAll(/^(\S+: \S+) (ssh-ed25519 [A-Za-z0-9+/]{68})\r*\n/gm)
  const ofUser = [...lines].filter((line) => line[1] === `${HOST_KEY_LINE} ${user}`)
  const keys = new Set(ofUser.map((line) => line[2] ?? ""))
  if (keys.size < 2) return [...keys][0] ?? null
  throw new Fault(
    "ec2/two-host-keys",
    `${instanceId} shows two host keys of ${user} on its console: which one is its own cannot be told`,
    {
      hint: "it was started twice, or something writes to its console; it is terminated",
    },
  )
}
