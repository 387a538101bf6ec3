/** Room for machines: disk, memory, and the length that socket paths may have. */

import { readFile, stat, statfs } from "node:fs/promises"
import { dirname } from "node:path"
import { type Home, LONGEST_SOCKET_PATH_BYTES, machineLayout } from "../../contract/home.ts"
import type { Finding } from "./finding.ts"

const MIB = 1024 * 1024

export async function checkRoom(home: Home): Promise<readonly Finding[]> {
  return [await checkDisk(home), await checkMemory(), checkPathLength(home)]
}

async function checkDisk(home: Home): Promise<Finding> {
  const { bavail, bsize } = await statfs(await nearestFolder(home.root))
  const freeMib = Math.floor((Number(bavail) * Number(bsize)) / MIB)
  const enough = freeMib >= 6 * 1024
  return {
    subject: "disk space",
    status: enough ? "ok" : freeMib >= 2 * 1024 ? "warn" : "fail",
    found: `${describeMib(freeMib)} free for ${home.root}`,
    meaning: "tools tree, caches and images take about 4 GiB, each machine what its agent writes",
    fix: enough ? null : "set STEREO_HOME to a folder on a larger disk",
  }
}

async function checkMemory(): Promise<Finding> {
  const line = /^MemAvailable:\s+(\d+) kB/m.exec(await readFile("/proc/meminfo", "utf8"))
  const freeMib = Math.floor(Number(line?.[1] ?? 0) / 1024)
  const enough = freeMib >= 2048
  return {
    subject: "memory",
    status: enough ? "ok" : "warn",
    found: `${describeMib(freeMib)} available`,
    meaning: "a machine takes up to what its image or card says (base: 1 GiB), and QEMU 200 MiB beside it",
    fix: enough ? null : "end machines with `stereo down`, or set resources.memory_mib in a card",
  }
}

function checkPathLength(home: Home): Finding {
  const spare = LONGEST_SOCKET_PATH_BYTES - Buffer.byteLength(machineLayout(home, "").controlSocket) - 1
  const longest = Math.min(spare, 32)
  return {
    subject: "socket paths",
    status: longest >= 32 ? "ok" : longest >= 8 ? "warn" : "fail",
    found: longest > 0 ? `names of machines may have ${longest} characters` : `${home.root} is too long`,
    meaning: `Linux allows ${LONGEST_SOCKET_PATH_BYTES} bytes for the path of a socket, and each machine has four in its folder`,
    fix: longest >= 32 ? null : "set STEREO_HOME to a shorter path",
  }
}

async function nearestFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => null)
  return found !== null || path === "/" ? path : nearestFolder(dirname(path))
}

function describeMib(mib: number): string {
  return mib < 2048 ? `${mib} MiB` : `${(mib / 1024).toFixed(1)} GiB`
}
