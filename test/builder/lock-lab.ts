/** A project with a lock and a store of its own, by a mirror on loopback. */

import { readdirSync } from "node:fs"
import { join } from "node:path"
import { type LockTarget, makeLock, openLock } from "../../builder/make-lock.ts"
import { type BuildContext, openStages } from "../../builder/stages.ts"
import { homeLayout } from "../../contract/home.ts"
import type { ImageLock } from "../../contract/image-lock.ts"
import { silentProgress } from "../../contract/progress.ts"
import type { DebianArchive, FakePackage } from "../fakes/debian-archive.ts"
import { openFolder, type TestFolder } from "./project-folder.ts"

export const TOOL: FakePackage = { name: "tool", version: "1.0-1", depends: "helper (>= 1)" }
export const HELPER: FakePackage = { name: "helper", version: "1:1.0+b2", files: { "usr/lib/helper": "one" } }
export const SPARE: FakePackage = { name: "spare", version: "3" }
export const HELPER_PATH = "/debian/pool/trixie/helper/helper_1:1.0+b2_amd64.deb"

export interface Lab extends Disposable {
  readonly folder: TestFolder
  readonly context: BuildContext
  readonly target: LockTarget
  open(options?: Partial<BuildContext>, wants?: Partial<LockTarget["wants"]>): ReturnType<typeof openLock>
  make(target: LockTarget, held: ImageLock["deb"]): Promise<ImageLock>
  readonly store: string
  /** Files of the store, below it. */
  stored(): string[]
}

/** What `openLab` locks: `tool` for the root, which needs `helper`; `helper` for boot, too. */
export function openLab(archive: DebianArchive, settings: { keyring?: string } = {}): Lab {
  const folder = openFolder()
  const context: BuildContext = {
    home: homeLayout(join(folder.dir, "home")),
    ...{ progress: silentProgress, signal: new AbortController().signal, now: Date.now },
    debian: { ...settingsOf(archive), ...settings },
  }
  const wants = { suite: "trixie", root: ["tool"], boot: ["helper"], npm: [] }
  const target = { projectDir: folder.dir, name: "root", profile: "strict", wants }
  return {
    folder,
    context,
    target,
    store: join(folder.dir, "home/cache/store"),
    open: async (options = {}, change = {}) => {
      const all = { ...context, ...options }
      return openLock({ ...target, wants: { ...wants, ...change } }, all, await openStages(all, "lock"))
    },
    make: async (other, held) => makeLock(other, held, context, (await openStages(context, "lock")).runner),
    stored: () => readdirSync(join(folder.dir, "home/cache/store"), { recursive: true }).map(String),
    [Symbol.dispose]: () => folder[Symbol.dispose](),
  }
}

export function settingsOf({ environment }: DebianArchive) {
  return {
    mirror: environment["STEREO_DEBIAN_MIRROR"] ?? "",
    securityMirror: environment["STEREO_DEBIAN_SECURITY_MIRROR"] ?? "",
    keyring: environment["STEREO_DEBIAN_KEYRING"] ?? "",
    snapshot: null,
  }
}

export function helperOf(lock: ImageLock) {
  const found = lock.deb.find(({ name }) => name === "helper")
  if (!found) throw new Error("the lock has no helper")
  return found
}
