import { describe, expect, it } from "vitest"
import { listLocks } from "../../builder/list-locks.ts"
import { lockImage } from "../../builder/lock-images.ts"
import { homeLayout } from "../../contract/home.ts"
import { silentProgress } from "../../contract/progress.ts"
import { NO_LOCK, openFolder, ROOT_IMAGE, STRICT } from "./project-folder.ts"

const DEBUG = `name = "debug"
description = "for whoever looks into an image of a test"

[debian]
packages = ["strace"]
`
const lockOf = (...root: string[]) =>
  [
    ...["schema = 1", 'suite = "trixie"', 'arch = "amd64"', "epoch = 1795432958"],
    `root = ${JSON.stringify(root)}`,
    'boot = ["linux-image-cloud-amd64"]',
    ...["deb = []", "npm = []", ""],
  ].join("\n")

describe("the locks of a project", () => {
  it("are the strict one of each image and those of the profiles that have one, and no other file", async () => {
    using project = openFolder({
      "images/one/image.toml": "",
      "images/one/lock.toml": "",
      "images/one/lock-ec2.toml": "",
      "images/one/lock-debug.toml": "",
      "images/one/lock-debug.toml.new": "",
      "images/other/image.toml": "",
      "images/profiles/debug/image.toml": "",
      "images/tools/image.toml": "",
      "images/templates/nftables.njk": "",
    })
    expect(await listLocks(project.dir)).toEqual([
      { name: "one", profile: "strict" },
      { name: "one", profile: "debug" },
      { name: "one", profile: "ec2" },
      { name: "other", profile: "strict" },
      { name: "tools", profile: "strict" },
    ])
  })

  it("of one profile are those of all images, and of tools only the strict one", async () => {
    using project = openFolder({ "images/one/image.toml": "", "images/tools/image.toml": "" })
    expect(await listLocks(project.dir, "ec2")).toEqual([{ name: "one", profile: "ec2" }])
    expect(await listLocks(project.dir, "strict")).toEqual([
      { name: "one", profile: "strict" },
      { name: "tools", profile: "strict" },
    ])
  })

  it("are each held to the definition with its profile", async () => {
    using project = openFolder({
      "images/root/image.toml": ROOT_IMAGE,
      "images/root/lock.toml": lockOf("bash"),
      "images/root/lock-debug.toml": lockOf("bash"),
      "images/profiles/strict/image.toml": STRICT,
      "images/profiles/debug/image.toml": DEBUG,
      "package-lock.json": NO_LOCK,
    })
    const context = {
      home: homeLayout(`${project.dir}/home`),
      ...{ progress: silentProgress, signal: new AbortController().signal, now: Date.now },
    }
    const found: unknown[] = []
    for (const target of await listLocks(project.dir)) {
      const { file, misfits } = await lockImage(
        project.dir,
        target,
        { check: true, update: false },
        { ...context, offline: true },
      )
      found.push([file, misfits])
    }
    expect(found).toEqual([
      ["images/root/lock.toml", []],
      ["images/root/lock-debug.toml", [expect.stringContaining("strace")]],
    ])
  })
})
