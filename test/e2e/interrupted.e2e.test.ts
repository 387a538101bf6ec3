import { spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, watch } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { beforeAll, describe, expect, it } from "vitest"
import { openTestHome, projectDir, sharedHome } from "./test-home.ts"

/** What the usual home has: the same sources and packages must give it again. */
let digest = ""

beforeAll(async () => {
  await using home = openTestHome("")
  const shown = (await home.json(["images", "show", "base"])) as { digest: string }
  digest = shown.digest
})

/**
 * The stages of a build that make something, in the order of their beginnings; each has a folder of its name in the
 * cache. Of those that run side by side none may be whole before its own kill: describe begins last.
 */
const STAGES = [
  ...["rootfs-root", "rootfs-boot", "npm-files", "seal", "gates", "measure"],
  ...["artifact-boot", "artifact-root", "describe", "artifact-uki"],
]

describe("a build of base that is killed", () => {
  it("at each stage, and as it stores the image, leaves no image and nothing half, and the next build goes on to the same digest", async () => {
    const root = mkdtempSync(join(tmpdir(), "stereo-killed-"))
    try {
      shareStore(join(root, "cache"))
      await using home = openTestHome("", root, ["tools"])
      for (const place of [...STAGES.map((stage) => `cache/${stage}`), "images/by-digest"]) {
        await killAt(home, join(root, place))
        expect(existsSync(join(root, "images/by-name"))).toBe(false)
        expect(wholeIn(join(root, "images/by-digest")), `killed at ${place}`).toEqual([])
      }
      const built = (await home.json(["build", "base", "--relock"])) as { digest: string; stages: Row[] }
      expect(built.digest).toBe(digest)
      expect(leftovers(root)).toEqual([])
      // what was whole before a kill was of use, and no stage was left out above
      const made = built.stages.filter(({ stage }) => {
        return stage !== "store" && existsSync(join(root, "cache", stage))
      })
      expect(new Set(made.map(({ stage }) => stage))).toEqual(new Set(STAGES))
      expect(made.filter(({ cached }) => !cached)).toEqual([])
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  })
})

describe("a build of base on a disk that is full", () => {
  it("says so, leaves no image and nothing half, and with more room goes on to the same digest", () => {
    const root = mkdtempSync(join(tmpdir(), "stereo-full-"))
    try {
      const cache = join(sharedHome, "cache")
      const tools = join(sharedHome, "tools")
      const words = [join(projectDir, "stereo"), root, cache, tools]
      const unshare = ["--user", "--map-root-user", "--mount", "--", "sh", "-c", SCRIPT, "sh", ...words]
      const { stdout, stderr } = spawnSync("unshare", unshare, { encoding: "utf8", timeout: 800_000 })
      const lines = stdout.trim().split("\n")
      expect(lines.slice(0, 3), stderr).toEqual(["100m: 1 made:", "290m: 1 made:", "360m: 1 made:"])
      expect(lines[3], stderr).toBe(`2g: 0 made: ${digest}`)
      expect(stderr.match(/disk is full|no space left/gi)?.length).toBeGreaterThanOrEqual(3)
      expect(stderr).not.toMatch(/internal\/unexpected|triggerUncaught/)
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  })
})

/** $1: stereo, $2: where the small disk is mounted, $3: the cache whose store is shared, $4: tools. */
const SCRIPT = `
mount -t tmpfs -o size=100m tmpfs "$2" && mkdir "$2/cache" || exit 1
ln -s "$4" "$2/tools"
ln -s "$3/store" "$2/cache/store"
[ ! -e "$3/locks" ] || ln -s "$3/locks" "$2/cache/locks"
for size in 100m 290m 360m 2g; do
  mount -o "remount,size=$size" "$2"
  STEREO_HOME="$2" "$1" build base --relock --offline >/dev/null
  echo "$size: $? made: $(find "$2/images" "$2/cache" -name '.making-*' 2>/dev/null)$(ls "$2/images/by-digest" 2>/dev/null)" | sed 's/ $//'
done
`

interface Row {
  readonly stage: string
  readonly cached: boolean
}

function shareStore(cache: string): void {
  mkdirSync(cache)
  for (const name of ["store", "locks"]) {
    const shared = join(sharedHome, "cache", name)
    if (existsSync(shared)) symlinkSync(shared, join(cache, name))
  }
}

/** Kills a build as soon as it has begun something in the folder. */
async function killAt(
  home: { start: ReturnType<typeof openTestHome>["start"] },
  folder: string,
): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const child = home.start(["build", "base", "--relock"])
  const watcher = watch(folder, (_event, name) => {
    if (name?.startsWith(".making-")) child.kill("SIGKILL")
  })
  await once(child, "close")
  watcher.close()
  if (child.signalCode !== "SIGKILL") throw new Error(`the build ended before anything was made in ${folder}`)
}

function wholeIn(folder: string): string[] {
  return names(folder).filter((name) => !name.startsWith(".making-"))
}

function leftovers(root: string): string[] {
  const caches = names(join(root, "cache")).filter((name) => !["store", "locks"].includes(name))
  const folders = [...caches.map((name) => join(root, "cache", name)), join(root, "images/by-digest")]
  return folders.flatMap((folder) => names(folder).filter((name) => name.startsWith(".making-")))
}

function names(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}
