/** `make repro`: builds base here and once more where everything else is otherwise, and compares every byte. */

import { mkdirSync, rmSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { openTestHome, sharedHome } from "../e2e/test-home.ts"
import { openOtherSurroundings } from "./other-surroundings.ts"

const IMAGE = "base"
const root = join(sharedHome, "cache", "repro")
rmSync(root, { recursive: true, force: true })
mkdirSync(join(root, "cache"), { recursive: true })
mkdirSync(join(sharedHome, "cache", "store"), { recursive: true })
symlinkSync(join(sharedHome, "cache", "store"), join(root, "cache", "store"))
symlinkSync(join(sharedHome, "tools"), join(root, "tools"))
try {
  const here = openTestHome("", root, [])
  process.stdout.write(`${IMAGE}, built here with an empty cache:\n`)
  await here.watch(["build", IMAGE, "--relock"])
  using elsewhere = await openOtherSurroundings({
    images: join(root, "images"),
    tools: join(sharedHome, "tools"),
    "cache/store": join(sharedHome, "cache", "store"),
  })
  process.stdout.write(`\nand once more, with other surroundings:\n`)
  for (const difference of elsewhere.differences) process.stdout.write(`  ${difference}\n`)
  const { code, stdout } = await elsewhere.stereo(["images", "rebuild", IMAGE, "--offline"])
  process.stdout.write(`\n${stdout}`)
  process.exitCode = code ?? 1
} finally {
  rmSync(root, { recursive: true, force: true })
}
