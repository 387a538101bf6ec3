/** What the builder may know: this process's context, the options of its commands, and the settings for Debian. */

import type { BuildContext } from "../builder/stages.ts"
import type { CliContext } from "./context.ts"

export interface StoreOptions {
  readonly offline?: boolean
  readonly relock?: boolean
}

export function builderContext(context: CliContext, options: StoreOptions = {}): BuildContext {
  const { home, progress, signal, now, environment } = context
  const setting = (name: string) => environment[name] || null
  return {
    ...{ home, progress, signal, now },
    offline: options.offline === true,
    relock: options.relock === true,
    debian: {
      mirror: setting("STEREO_DEBIAN_MIRROR"),
      securityMirror: setting("STEREO_DEBIAN_SECURITY_MIRROR"),
      snapshot: setting("STEREO_DEBIAN_SNAPSHOT"),
      keyring: setting("STEREO_DEBIAN_KEYRING"),
    },
  }
}
