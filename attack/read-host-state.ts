/** Reads the facts of the host that vectors are about. */

import { createHash } from "node:crypto"
import { readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import type { HostState } from "./host-facts.ts"
import type { AttackTarget } from "./target.ts"
import { readQemu } from "./witness/read-qemu.ts"

/** `imageBefore` null: this is the first look. */
export async function readHostState(target: AttackTarget, imageBefore: string | null): Promise<HostState> {
  const image = await digestFolder(target.imageDir)
  const modes = await Promise.all(
    target.privatePaths.map(async (path) => [path, (await stat(path)).mode & 0o7777] as const),
  )
  return {
    qemu: readQemu(target.qemuPid),
    modes: Object.fromEntries(modes),
    mounts: await readFile("/proc/self/mountinfo", "utf8"),
    dataDisk: target.dataDisk,
    imageBefore: imageBefore ?? image,
    imageAfter: image,
    consoleBytes: (await stat(target.console)).size,
  }
}

async function digestFolder(dir: string): Promise<string> {
  const digest = createHash("sha256")
  for (const name of (await readdir(dir)).sort()) {
    digest.update(`${name}\n`)
    digest.update(await readFile(join(dir, name)))
  }
  return digest.digest("hex")
}
