/** How exposed each service of a sealed tree is, by `systemd-analyze security`, without booting it. */

import { mkdir, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { UNIT_FOLDERS } from "../../contract/unit-set.ts"
import { runTool } from "../tools-tree.ts"
import type { Tree } from "../tree.ts"

export interface ExposureRequest {
  readonly tree: Tree
  readonly toolsDir: string
  /** An empty folder, which the program sees as /work. */
  readonly dir: string
  readonly logFile: string
  readonly signal: AbortSignal
}

/** Accounts, which decide whether a user is root, and all that systemd reads of a unit. */
const READ = ["/etc/passwd", "/etc/group"]

/** Whether the bytes of this file are needed. */
export function isExposureSource(path: string): boolean {
  return READ.includes(path) || UNIT_FOLDERS.some((folder) => path.startsWith(`${folder}/`))
}

/** Exposure in tenths, 0 to 100, by the unit's name; masked units and links are not among them. */
export async function measureExposure(request: ExposureRequest): Promise<Map<string, number>> {
  const services = listServices(request.tree)
  if (services.length === 0) return new Map()
  await unpackUnits(request.tree, join(request.dir, "root"))
  const printed = await runTool(request.toolsDir, {
    ...request,
    workDir: request.dir,
    purpose: "how exposed the image's services are",
    // its folder for the units of this host, of which there are none
    command: [
      "sh",
      "-c",
      `mkdir -p /run/systemd && exec systemd-analyze security --offline=yes --root=/work/root --no-pager "$@"`,
      "sh",
      ...services,
    ],
  })
  return new Map(services.map((service) => [service, findScore(printed, service)]))
}

function listServices(tree: Tree): string[] {
  const paths = [...tree].flatMap(([path, entry]) =>
    entry.kind === "file" && UNIT_FOLDERS.some((folder) => dirname(path) === folder) ? [path] : [],
  )
  return [...new Set(paths.map((path) => basename(path)).filter((name) => name.endsWith(".service")))].sort()
}

async function unpackUnits(tree: Tree, root: string): Promise<void> {
  for (const [path, entry] of tree) {
    if (!isExposureSource(path) || entry.kind !== "file" || !("bytes" in entry.content)) continue
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), entry.content.bytes)
  }
}

/** `→ Overall exposure level for NAME: 1.4 OK`; a template is measured as an instance of it. */
function findScore(printed: string, service: string): number {
  const name = service.replace("@.", "@test_instance.").replaceAll(/[.\\]/g, "\\$&")
  const score = new RegExp(`exposure level for ${name}: (\\d+)\\.(\\d)`).exec(printed)
  if (score) return Number(score[1]) * 10 + Number(score[2])
  throw new Fault("gates/no-score", `systemd-analyze said nothing of ${service}:\n${printed.slice(-2000)}`, {
    hint: "a unit that systemd cannot read has no score; systemd-analyze verify tells why",
  })
}
