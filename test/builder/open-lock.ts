/** Opens the lock of a project whose store is empty: `node open-lock.ts PROJECT`, settings in the environment. */

import { join } from "node:path"
import { openLock } from "../../builder/make-lock.ts"
import { openStages } from "../../builder/stages.ts"
import { homeLayout } from "../../contract/home.ts"
import { silentProgress } from "../../contract/progress.ts"

const [, , projectDir = ""] = process.argv
const setting = (name: string) => process.env[name] ?? null
const context = {
  home: homeLayout(join(projectDir, "home")),
  ...{ progress: silentProgress, signal: new AbortController().signal, now: Date.now },
  debian: {
    mirror: setting("STEREO_DEBIAN_MIRROR"),
    securityMirror: setting("STEREO_DEBIAN_SECURITY_MIRROR"),
    keyring: setting("STEREO_DEBIAN_KEYRING"),
    snapshot: null,
  },
}
const wants = { suite: "trixie", root: ["tool"], boot: ["helper"], npm: [] }
const target = { projectDir, name: "root", profile: "strict", wants }
await openLock(target, context, await openStages(context, "lock"))
