/** Makes what is secret to one start of one machine: its ssh keys and the placeholders of its agent. */

import { randomBytes } from "node:crypto"
import ssh2 from "ssh2"
import type { MachineRecord } from "../../contract/machine-record.ts"
import type { ProviderDefinition } from "../../contract/provider-definition.ts"

export interface MintedSecrets {
  readonly ssh: MachineRecord["ssh"]
  readonly placeholders: MachineRecord["placeholders"]
}

export function mintSecrets(providers: readonly ProviderDefinition[]): MintedSecrets {
  const client = mintKeyPair("stereo-client")
  const host = mintKeyPair("stereo-machine")
  const placeholders = providers.map(({ name, placeholder }) => {
    return [name, placeholder.prefix + randomBytes(24).toString("hex")] as const
  })
  return {
    ssh: {
      clientPublicKey: client.public,
      clientPrivateKey: client.private,
      hostPublicKey: host.public,
      hostPrivateKey: host.private,
    },
    placeholders: Object.fromEntries(placeholders),
  }
}

/** ssh2 writes about one key in 270 without its leading zero byte, which neither it nor OpenSSH reads again. */
function mintKeyPair(comment: string) {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync("ed25519", { comment })
    const read = [pair.private, pair.public].map((text) => ssh2.utils.parseKey(text))
    if (!read.some((key) => key instanceof Error)) return pair
  }
}
