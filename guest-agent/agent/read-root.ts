/** Where the root file system comes from, as the kernel tells it. */

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import type { MeasuredRoot } from "../../contract/measurement.ts"

/** Folders that an image fills; a mount in one of them hides a part of what was measured. */
const OF_THE_IMAGE = /^\/(usr|etc|bin|sbin|lib|lib64|root)(\/|$)/

export async function readRoot(procDir = "/proc", blockDir = "/sys/dev/block"): Promise<MeasuredRoot> {
  const [commandLine, mountInfo] = await Promise.all([
    readFile(join(procDir, "cmdline"), "utf8"),
    // the first process's: this one sees a file system that was narrowed for it
    readFile(join(procDir, "1/mountinfo"), "utf8"),
  ])
  const mounts = mountInfo.split("\n").flatMap((line) => {
    const [, , device = "", , point, ...rest] = line.split(" ")
    const [type, source, options = ""] = rest.slice(rest.indexOf("-") + 1)
    return point === undefined ? [] : [{ device, point, type, source, access: options.split(",")[0] }]
  })
  // a later mount on the same place hides the one before
  const root = mounts.findLast(({ point }) => point === "/")
  return {
    hash: /(?:^|\s)stereo\.root=([0-9a-f]+):/.exec(commandLine)?.[1] ?? "",
    mount: root ? `${root.type} ${root.source} ${root.access}` : "",
    device: root ? await describeDevice(join(blockDir, root.device)) : "",
    covered: mounts
      .map(({ point }) => point)
      .filter((point) => OF_THE_IMAGE.test(point))
      .sort(),
  }
}

/** Such as `dm root ro on vda`; empty when it is no device of the device mapper, or none at all. */
async function describeDevice(dir: string): Promise<string> {
  try {
    const [name, readOnly, below] = await Promise.all([
      readFile(join(dir, "dm/name"), "utf8"),
      readFile(join(dir, "ro"), "utf8"),
      readdir(join(dir, "slaves")),
    ])
    return `dm ${name.trim()} ${readOnly.trim() === "1" ? "ro" : "rw"} on ${below.sort().join(",")}`
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return ""
    throw thrown
  }
}
