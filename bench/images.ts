/** `base` beside an image of Debian's mkosi with the same packages: time to build, size, time to boot. */

import { execFileSync } from "node:child_process"
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs"
import { dirname, join } from "node:path"
import { z } from "zod"
import { openTestHome, projectDir, sharedHome, type TestHome } from "../test/e2e/test-home.ts"
import { type Mkosi, openMkosi } from "./mkosi.ts"
import { type Figure, summarise } from "./report.ts"

const built = z.looseObject({ sizeBytes: z.int() })
const launched = z.looseObject({ bootMs: z.number(), accelerator: z.string() })
const CHANGES = 3
const BOOTS = 5
const BUILD_LIMIT = { timeoutMs: 1_800_000 }

/** In turns, so that a busy moment of the machine is no one's alone. */
export async function benchImages(note: (text: string) => void): Promise<readonly Figure[]> {
  // beside the shared home, whose disk has room for images and no size of its own as /tmp may have
  mkdirSync(dirname(sharedHome), { recursive: true })
  const root = mkdtempSync(join(dirname(sharedHome), ".stereo-bench-"))
  try {
    note("mkosi's tree")
    mkdirSync(join(root, "mkosi"))
    const mkosi = await openMkosi(join(root, "mkosi"))
    const ours = openCopy(join(root, "project"))
    mkdirSync(join(root, "home"))
    symlinkSync(join(sharedHome, "tools"), join(root, "home/tools"))
    await using home = openTestHome("", join(root, "home"), [])
    return await compare({ mkosi, home, ours, note })
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

interface Comparison {
  readonly mkosi: Mkosi
  readonly home: TestHome
  readonly ours: ProjectCopy
  readonly note: (text: string) => void
}

async function compare({ mkosi, home, ours, note }: Comparison): Promise<readonly Figure[]> {
  const peer = `mkosi ${mkosi.version.replace(/^mkosi /, "")}`
  note("base, nothing cached")
  const cold = ours.build(home.root)
  note(`${peer}, nothing cached`)
  const coldPeer = mkosi.build()
  const changed: number[] = []
  const changedPeer: number[] = []
  for (let round = 1; round <= CHANGES; round += 1) {
    note(`one file changed, ${round} of ${CHANGES}`)
    ours.changeFile()
    changed.push(ours.build(home.root).seconds)
    mkosi.changeFile()
    changedPeer.push(mkosi.build())
  }
  const boots: number[] = []
  const bootsPeer: number[] = []
  let accelerator = "unknown"
  for (let round = 1; round <= BOOTS; round += 1) {
    note(`boot ${round} of ${BOOTS}`)
    const report = launched.parse(await home.json(["up", "--image", "base", "--name", "boot"]))
    await home.must(["rm", "-f", "boot"])
    accelerator = report.accelerator
    boots.push(report.bootMs / 1000)
    bootsPeer.push(await mkosi.boot(accelerator))
  }
  const megabytes = (bytes: number) => [bytes / 1e6]
  return [
    ...pair("build, nothing cached, downloads included", "s", [cold.seconds], [coldPeer], peer),
    ...pair("build, one file of the image changed", "s", changed, changedPeer, peer),
    ...pair("image on the disk", "MB", megabytes(cold.sizeBytes), megabytes(mkosi.sizes().usedBytes), peer),
    ...pair(`boot to ready, by the kernel, ${accelerator}`, "s", boots, bootsPeer, peer),
  ]
}

function pair(
  what: string,
  unit: Figure["unit"],
  ours: readonly number[],
  theirs: readonly number[],
  peer: string,
): readonly Figure[] {
  const [own, other] = [summarise(`${what}: base`, unit, ours), summarise(`${what}: ${peer}`, unit, theirs)]
  return [own, other, summarise(`  ${peer} ÷ base`, "×", [other.median / own.median])]
}

interface ProjectCopy {
  build(home: string): { readonly seconds: number; readonly sizeBytes: number }
  changeFile(): void
}

/** The project in a folder of its own, since one of its files is to be changed. */
function openCopy(dir: string): ProjectCopy {
  const names = execFileSync("git", ["ls-files", "-z"], { cwd: projectDir, encoding: "utf8" }).split("\0")
  for (const name of names.filter((one) => one !== "")) {
    cpSync(join(projectDir, name), join(dir, name), { verbatimSymlinks: true })
  }
  symlinkSync(join(projectDir, "node_modules"), join(dir, "node_modules"))
  return {
    build(home) {
      const startedAt = performance.now()
      const output = execFileSync(join(dir, "stereo"), ["build", "base", "--relock", "--json"], {
        env: { ...process.env, STEREO_HOME: home },
        stdio: ["ignore", "pipe", "pipe"],
        timeout: BUILD_LIMIT.timeoutMs,
        encoding: "utf8",
      })
      const seconds = (performance.now() - startedAt) / 1000
      return { seconds, sizeBytes: built.parse(JSON.parse(output)).sizeBytes }
    },
    changeFile: () => appendFileSync(join(dir, "images/base/files/etc/hosts"), "# changed\n"),
  }
}
