import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { initImage } from "../../builder/init-image.ts"
import { resolvePlan } from "../../builder/resolve-plan.ts"
import { NO_LOCK, openFolder, ROOT_IMAGE, STRICT } from "./project-folder.ts"

const openProject = () =>
  openFolder({
    "images/root/image.toml": ROOT_IMAGE,
    "images/profiles/strict/image.toml": STRICT,
    "package-lock.json": NO_LOCK,
  })

describe("the starting point of an image", () => {
  it("is an image as it stands: what it extends, and nothing that leaves", async () => {
    using project = openProject()
    expect(await initImage(project.dir, { name: "mine", base: "root" })).toBe("images/mine/image.toml")
    const { plan } = await resolvePlan(project.dir, "mine")
    expect(plan).toMatchObject({ name: "mine", lineage: ["strict", "root", "mine"], egressSets: [] })
    expect(readdirSync(join(project.dir, "images/mine"))).toEqual(["image.toml"])
  })

  it("still is one when every line that is commented out is taken in", async () => {
    using project = openProject()
    await initImage(project.dir, { name: "mine", base: "root" })
    const file = join(project.dir, "images/mine/image.toml")
    const text = readFileSync(file, "utf8")
      .replace(/^# (?=\[|[a-z_]+ = |TZ)/gm, "")
      .replace(/^ {2}# /gm, "  ")
      .replace("sha512-…", `sha512-${"A".repeat(86)}==`)
    expect(text).toContain("\n[[npm]]\n")
    project.write("images/mine/image.toml", text)
    const { plan } = await resolvePlan(project.dir, "mine")
    expect(plan.debian.packages).toEqual(["bash", "jq"])
    expect(plan.npm.map(({ name }) => name)).toEqual(["@earendil-works/pi-coding-agent"])
    expect(plan.prune.length).toBe(1)
    expect(plan.env).toEqual({ TZ: "UTC" })
    expect(plan.resources.memoryMib).toBe(2048)
  })

  it("takes no name that an image of a profile is kept under", async () => {
    using project = openProject()
    await expect(initImage(project.dir, { name: "root-strict", base: "root" })).rejects.toMatchObject({
      code: "image/bad-name",
      message: "root-strict is what image root of the profile strict is kept as",
    })
    expect(existsSync(join(project.dir, "images/root-strict"))).toBe(false)
  })

  it("begins with no tools tree, which is no image", async () => {
    using project = openProject()
    project.write("images/tools/image.toml", ROOT_IMAGE.replace('"root"', '"tools"'))
    await expect(initImage(project.dir, { name: "mine", base: "tools" })).rejects.toMatchObject({
      ...{ code: "image/unknown", hint: expect.stringContaining("stereo setup") },
    })
  })

  it("never goes over a file that is there", async () => {
    using project = openProject()
    project.write("images/mine/image.toml", "what somebody wrote")
    await expect(initImage(project.dir, { name: "mine", base: "root" })).rejects.toMatchObject({
      code: "image/exists",
    })
    expect(readFileSync(join(project.dir, "images/mine/image.toml"), "utf8")).toBe("what somebody wrote")
    expect(readdirSync(join(project.dir, "images/mine"))).toEqual(["image.toml"])
  })

  it.each([
    ["a name that is none", { name: "Mine", base: "root" }, "image/bad-name"],
    ["a name out of the folder", { name: "../mine", base: "root" }, "image/bad-name"],
    ["the name of a folder with another purpose", { name: "profiles", base: "root" }, "image/bad-name"],
    ["nothing to extend", { name: "mine", base: "nope" }, "image/unknown"],
  ])("with %s is refused, and leaves nothing", async (_what, image, code) => {
    using project = openProject()
    await expect(initImage(project.dir, image)).rejects.toMatchObject({ code })
    expect(existsSync(join(project.dir, "images/mine"))).toBe(false)
  })
})
