/** The agent's home: a raw, sparse ext4 file system that belongs to the agent's user. */

import { lstat, open, rename, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { GUEST_USERS } from "../../contract/wire.ts"
import { renderBubblewrapArgs } from "../render-bubblewrap-args.ts"
import { runToEnd } from "../run.ts"

export interface DataDiskRequest {
  readonly toolsDir: string
  readonly path: string
  readonly sizeMib: number
}

/** Makes the disk if it is not there yet; an existing one is kept with all that is on it. */
export async function makeDataDisk(request: DataDiskRequest, signal: AbortSignal): Promise<void> {
  const unfinished = `${request.path}.new`
  if (await exists(request.path)) return
  // QEMU may write here: what it left under that name, a link out of the folder for one, is not opened
  await rm(unfinished, { recursive: true, force: true })
  const file = await open(unfinished, "wx", 0o600)
  await file.truncate(request.sizeMib * 1024 * 1024)
  await file.close()
  const end = await runToEnd(renderFormatting(request), 60_000, signal)
  if (end.code === 0) return rename(unfinished, request.path)
  await rm(unfinished, { force: true })
  throw new Fault("machine/disk-failed", `mkfs.ext4 could not make ${request.path}: ${end.output.trim()}`, {
    hint: "look for free disk space with `stereo doctor`; the smallest disk is 16 MiB",
  })
}

function renderFormatting(request: DataDiskRequest) {
  const { uid } = GUEST_USERS.agent
  const options = `root_owner=${uid}:${uid},lazy_itable_init=1,lazy_journal_init=1,nodiscard`
  return renderBubblewrapArgs({
    toolsDir: request.toolsDir,
    readOnly: {},
    writable: { "/m": dirname(request.path) },
    devices: [],
    dieWithParent: true,
    infoFd: null,
    command: {
      file: "/usr/sbin/mkfs.ext4",
      args: ["-q", "-F", "-m", "0", "-L", "stereo-data", "-E", options, "/m/data.img.new"],
    },
  })
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (thrown: unknown) => {
      if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return false
      throw thrown
    },
  )
}
