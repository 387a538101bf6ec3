import { readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { listMisfits } from "../../builder/lock/compare-locks.ts"
import { readLock } from "../../builder/lock/lock-file.ts"
import { renderLock } from "../../builder/lock/render-lock.ts"
import { lockWants } from "../../builder/make-lock.ts"
import { resolvePlan } from "../../builder/resolve-plan.ts"
import { toolsWants } from "../../builder/setup-tools.ts"
import { STRICT_PROFILE } from "../../contract/image-name.ts"
import { projectDir } from "./sources.ts"

const images = readdirSync(join(projectDir, "images"), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !["profiles", "templates"].includes(entry.name))
  .map(({ name }) => name)
const locks = images.flatMap((image) =>
  readdirSync(join(projectDir, "images", image))
    .filter((file) => /^lock(?:-.+)?\.toml$/.test(file))
    .map((file) => ({ image, file, profile: /^lock-(.+)\.toml$/.exec(file)?.[1] ?? STRICT_PROFILE })),
)

describe("the locks in images/", () => {
  it("each image has one, so that a clone builds what its author built", () => {
    const locked = locks.filter(({ file }) => file === "lock.toml").map(({ image }) => image)
    expect(locked).toEqual(images)
  })

  it.each(locks)(
    "$image/$file fits its definition: `stereo lock` was run after the last change",
    async ({ image, file, profile }) => {
      const wants =
        image === "tools"
          ? await toolsWants(projectDir)
          : lockWants((await resolvePlan(projectDir, image, profile)).plan)
      const lock = await readLock(projectDir, join("images", image, file))
      expect(lock && listMisfits(lock, wants)).toEqual([])
    },
  )

  it.each(locks)("$image/$file names no mirror", async ({ image, file }) => {
    const lock = await readLock(projectDir, join("images", image, file))
    expect(lock && renderLock(lock)).not.toMatch(/https?:/)
  })
})
