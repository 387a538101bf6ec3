import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { type Contents, collectComponents } from "../../../builder/describe/collect-components.ts"
import type { Inventory } from "../../../contract/inventory.ts"

const sha = (text: string, algorithm = "sha256") => createHash(algorithm).update(text).digest("hex")
const owner = { mode: 0o644, uid: 0, gid: 0 }
const entry = (path: string, origin: string): Inventory["entries"][number] => {
  return { kind: "file", path, origin, ...owner, sha256: sha(path), size_bytes: 1 }
}

const record = {
  ...{
    name: "bash",
    version: "5.2-1",
    arch: "amd64",
    sha256: sha("deb"),
    source: "bash",
    sourceVersion: "5.2",
  },
  ...{ section: "shells", maintainer: "Somebody <s@example.org>", homepage: null, description: "a shell" },
  copyright:
    "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-3+",
}
const npm = (name: string, version: string, folder: string | null, files: string[] = []) => ({
  facts: { name, version, licenses: ["MIT"], homepage: null, description: null },
  integrity: `sha512-${Buffer.from(sha(name, "sha512"), "hex").toString("base64")}`,
  folder,
  files,
})

const MODULES = "/usr/lib/node_modules"

function contentsOf(entries: Inventory["entries"]): Contents {
  const files = entries.filter(({ kind }) => kind === "file").map(({ path }) => path)
  return {
    inventory: { schema: 1, entries },
    tree: {
      files: new Map(files.map((path) => [path, { path, sha256: sha(path), sha1: sha(path, "sha1") }])),
      packageTexts: new Map([
        [`${MODULES}/pi/node_modules/inner`, '{"name":"inner","version":"0.1.0","license":"ISC"}'],
        [`${MODULES}/pi`, '{"name":"pi","version":"1.0.0"}'],
      ]),
    },
    root: [record],
    boot: [{ ...record, name: "busybox-static", version: "1:1.37-1" }],
    npm: [
      npm("claude", "2.0.0", null, ["/usr/bin/claude"]),
      npm("pi", "1.0.0", `${MODULES}/pi`),
      npm("gemini", "3.0.0", `${MODULES}/gemini`),
      npm("inner", "0.2.0", `${MODULES}/gemini/node_modules/inner`),
    ],
    programs: new Map([
      [
        "/usr/lib/stereo/agent.mjs",
        [{ name: "zod", version: "4.0.0", licenses: ["MIT"], homepage: null, integrity: null }],
      ],
    ]),
    own: { version: "0.1.0", license: "Apache-2.0" },
  }
}

/** What accounts for what, as `purl: path path`. */
function accounts(contents: Contents): string[] {
  const { components, defined } = collectComponents(contents)
  return [
    ...components.map(({ purl, files }) => `${purl}: ${files.map(({ path }) => path).join(" ")}`),
    ...defined.map(({ path, from }) => `${from}: ${path}`),
  ]
}

describe("what accounts for an image's files", () => {
  it("is a Debian package, an npm package by its folder, one inside of another's, a program of ours, the definition", () => {
    const contents = contentsOf([
      { kind: "directory", path: "/usr", origin: "deb:bash", ...owner },
      entry("/usr/bin/bash", "deb:bash"),
      entry("/usr/bin/claude", "npm:claude"),
      { kind: "directory", path: MODULES, origin: "npm:pi", ...owner },
      entry(`${MODULES}/gemini/index.js`, "npm:gemini"),
      entry(`${MODULES}/gemini/node_modules/inner/index.js`, "npm:inner"),
      entry(`${MODULES}/pi/cli.js`, "npm:pi"),
      entry(`${MODULES}/pi/node_modules/inner/lib/a.js`, "npm:pi"),
      entry("/usr/lib/stereo/agent.mjs", "definition:guest-agent/agent/main.ts"),
      entry("/etc/fstab", "definition:images/base/files/etc/fstab"),
      { kind: "link", path: "/usr/bin/awk", origin: "definition:image.toml", target: "mawk" },
    ])
    expect(accounts(contents)).toEqual([
      "pkg:deb/debian/bash@5.2-1?arch=amd64&distro=trixie: /usr/bin/bash",
      "pkg:deb/debian/busybox-static@1:1.37-1?arch=amd64&distro=trixie: ",
      "pkg:generic/stereo@0.1.0: /usr/lib/stereo/agent.mjs",
      "pkg:npm/claude@2.0.0: /usr/bin/claude",
      `pkg:npm/gemini@3.0.0: ${MODULES}/gemini/index.js`,
      `pkg:npm/inner@0.1.0: ${MODULES}/pi/node_modules/inner/lib/a.js`,
      `pkg:npm/inner@0.2.0: ${MODULES}/gemini/node_modules/inner/index.js`,
      `pkg:npm/pi@1.0.0: ${MODULES}/pi/cli.js`,
      "pkg:npm/zod@4.0.0: ",
      "images/base/files/etc/fstab: /etc/fstab",
    ])
    const { components } = collectComponents(contents)
    const find = (name: string, version: string) => {
      return components.find((one) => one.name === name && one.version === version)
    }
    expect(find("inner", "0.1.0")).toMatchObject({
      digest: null,
      note: "inside of the archive of pi",
      licenses: ["ISC"],
    })
    expect(find("inner", "0.2.0")?.digest?.algorithm).toBe("sha512")
    expect(find("bash", "5.2-1")).toMatchObject({
      licenses: ["GPL-3+"],
      source: { name: "bash", version: "5.2" },
    })
  })

  it.each([
    ["a package that did not go in", "deb:zsh", "/usr/bin/zsh"],
    ["an npm package that did not go in", "npm:unknown", "/opt/unknown.js"],
    ["nobody", "elsewhere:x", "/usr/bin/x"],
    ["a definition without a place", "definition:", "/usr/bin/x"],
  ])("is never %s: the build fails and names the file", (_what, origin, path) => {
    const contents = contentsOf([entry("/usr/bin/bash", "deb:bash"), entry(path, origin)])
    expect(() => collectComponents(contents)).toThrow(path)
  })

  it("is asked of folders and links as well", () => {
    const contents = contentsOf([{ kind: "directory", path: "/srv", origin: "deb:zsh", ...owner }])
    expect(() => collectComponents(contents)).toThrow("/srv")
  })

  it("is not told of a tree that has other bytes than its inventory", () => {
    const contents = contentsOf([entry("/usr/bin/bash", "deb:bash")])
    const tree = {
      ...contents.tree,
      files: new Map([["/usr/bin/bash", { path: "/usr/bin/bash", sha256: sha("x"), sha1: "" }]]),
    }
    expect(() => collectComponents({ ...contents, tree })).toThrow(/do not agree/)
  })
})
