import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import { gzipSync } from "node:zlib"
import { pack } from "tar-stream"
import { describe, expect, it } from "vitest"
import { readNpmLock } from "../../builder/plan/read-npm-lock.ts"
import { resolvePlan } from "../../builder/resolve-plan.ts"
import { addNpmTree } from "../../builder/seal/npm-trees.ts"
import type { Tree } from "../../builder/tree.ts"
import { projectDir } from "../rules/sources.ts"
import { NO_LOCK, openFolder, ROOT_IMAGE, STRICT } from "./project-folder.ts"

const integrity = `sha512-${"A".repeat(86)}==`
const locked = (part: object = {}) => ({ version: "1.0.0", integrity, ...part })

describe("an npm lock file", () => {
  const read = (packages: object, skip: string[] = []) =>
    readNpmLock(JSON.stringify({ lockfileVersion: 3, packages }), "images/x/package-lock.json", skip)
  const places = (packages: object) => read(packages).map(({ place }) => place)

  it("gives what its package needs and what that needs, each at its place, also below another", () => {
    const packages = {
      "": { dependencies: { tool: "1" }, devDependencies: { tester: "1" } },
      "node_modules/tool": locked({ dependencies: { part: "1" }, bin: { tool: "./cli.js" } }),
      "node_modules/tool/node_modules/part": locked({ version: "2.0.0", peerDependencies: { shared: "1" } }),
      "node_modules/part": locked(),
      "node_modules/shared": locked({ name: "@other/name" }),
      "node_modules/tester": locked({ dev: true }),
    }
    expect(read(packages)).toEqual([
      { name: "@other/name", version: "1.0.0", integrity, place: "shared", bin: {} },
      { name: "tool", version: "1.0.0", integrity, place: "tool", bin: { tool: "./cli.js" } },
      { name: "part", version: "2.0.0", integrity, place: "tool/node_modules/part", bin: {} },
    ])
  })

  it("leaves out what is optional and for another system or in need of a script, with what only that needs", () => {
    const packages = {
      "": { dependencies: { tool: "1" } },
      "node_modules/tool": locked({
        optionalDependencies: { mac: "1", here: "1", musl: "1", compiled: "1", notwin: "1" },
      }),
      "node_modules/mac": locked({ optional: true, os: ["darwin"] }),
      "node_modules/here": locked({ optional: true, os: ["linux"], cpu: ["x64"], libc: ["glibc"] }),
      "node_modules/musl": locked({ optional: true, os: ["linux"], libc: ["musl"] }),
      "node_modules/notwin": locked({ optional: true, os: ["!win32"] }),
      "node_modules/compiled": locked({
        optional: true,
        hasInstallScript: true,
        dependencies: { headers: "1" },
      }),
      "node_modules/headers": locked({ optional: true }),
    }
    expect(places(packages)).toEqual(["here", "notwin", "tool"])
  })

  it.each([
    ["a script that it cannot do without", { tool: locked({ hasInstallScript: true }) }, "image/npm-script"],
    ["another system", { tool: locked({ os: ["win32"] }) }, "image/bad-npm-lock"],
    ["no integrity", { tool: { version: "1.0.0" } }, "image/bad-npm-lock"],
    ["a weaker hash", { tool: locked({ integrity: "sha1-AAAA" }) }, "image/bad-npm-lock"],
    ["nothing", {}, "image/bad-npm-lock"],
  ])("that has %s is refused, with file and package", (_what, rest, code) => {
    const packages = Object.entries(rest).map(([name, one]) => [`node_modules/${name}`, one])
    const read = () =>
      readNpmLock(
        JSON.stringify({
          lockfileVersion: 3,
          packages: { "": { dependencies: { tool: "1" } }, ...Object.fromEntries(packages) },
        }),
        "images/x/package-lock.json",
      )
    expect(read).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining("images/x/package-lock.json") }),
    )
  })

  it("takes a package without its script where the image says that it works so", () => {
    const packages = {
      "": { dependencies: { tool: "1" } },
      "node_modules/tool": locked({ hasInstallScript: true }),
    }
    expect(read(packages, ["tool"]).map(({ name }) => name)).toEqual(["tool"])
  })

  it("of another version, or no lock at all, says how one is written", () => {
    expect(() => readNpmLock('{"lockfileVersion":1}', "l", [])).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("npm install --package-lock-only") }),
    )
    expect(() => readNpmLock("not json", "l", [])).toThrow(
      expect.objectContaining({ code: "image/bad-npm-lock" }),
    )
  })
})

describe("a plan", () => {
  it("names each package of a lock with its folder, and links the commands that are asked for", async () => {
    using folder = openFolder({
      "images/root/image.toml": `${ROOT_IMAGE}
[[npm]]
name = "alone"
version = "3.0.0"
integrity = "${integrity}"
why = "a package that brings all it needs"
tree = { to = "/usr/lib/alone", bin = { alone = "cli.js" }, leave = ["docs"] }

[[npm_tree]]
lock = "images/root/package-lock.json"
bin = ["tool"]
why = "a tool of a test"
`,
      "images/profiles/strict/image.toml": STRICT,
      "package-lock.json": NO_LOCK,
      "images/root/package-lock.json": JSON.stringify({
        lockfileVersion: 3,
        packages: {
          "": { dependencies: { tool: "1" } },
          "node_modules/tool": locked({ bin: { tool: "./bin/t.js" } }),
        },
      }),
    })
    const { plan } = await resolvePlan(folder.dir, "root")
    expect(plan.npm).toMatchObject([
      { name: "alone", tree: { to: "/usr/lib/alone", leave: ["docs"], executable: ["cli.js"] } },
      { name: "tool", tree: { to: "/usr/lib/node_modules/tool", executable: ["bin/t.js"] } },
    ])
    expect(plan.entries).toContainEqual({
      ...{ kind: "link", path: "/usr/bin/tool", from: "image.toml" },
      target: "/usr/lib/node_modules/tool/bin/t.js",
    })
    folder.write(
      "images/root/image.toml",
      ROOT_IMAGE.concat(
        '[[npm]]\nname = "x"\nversion = "1"\n',
        `integrity = "${integrity}"\nwhy = "takes nothing"\n`,
      ),
    )
    await expect(resolvePlan(folder.dir, "root")).rejects.toMatchObject({ code: "image/nothing-taken" })
  })

  it("of coder asks for no script, and for Gemini CLI's terminal of this system alone", async () => {
    const { plan } = await resolvePlan(projectDir, "coder")
    const names = plan.npm.map(({ name }) => name)
    expect(names.filter((name) => name.startsWith("@lydell/"))).toEqual([
      "@lydell/node-pty",
      "@lydell/node-pty-linux-x64",
    ])
  })
})

describe("a package's tree", () => {
  it("holds its files with plain modes, its commands as programs, and no links", async () => {
    using folder = openFolder()
    const tree: Tree = new Map()
    const archive = await writeArchive(folder.dir)
    await addNpmTree(tree, { archive, npm: packageAt("/usr/lib/tool", ["**/*.map"], ["cli.js"]) })
    expect([...tree].map(([path, entry]) => [path, entry.kind === "file" ? entry.mode : entry.kind])).toEqual(
      [
        ["/usr/lib/tool/cli.js", 0o755],
        ["/usr/lib/tool/lib/run.sh", 0o755],
        ["/usr/lib/tool/lib/part.js", 0o644],
      ],
    )
  })

  it("without the file of a command is refused, and says that it may have been left out", async () => {
    using folder = openFolder()
    const archive = await writeArchive(folder.dir)
    const add = (leave: string[], executable: string[]) =>
      addNpmTree(new Map(), { archive, npm: packageAt("/t", leave, executable) })
    await expect(add([], ["gone.js"])).rejects.toMatchObject({ code: "seal/no-npm-file" })
    await expect(add(["cli.js"], ["cli.js"])).rejects.toMatchObject({
      hint: expect.stringContaining("leave"),
    })
  })
})

function packageAt(to: string, leave: string[], executable: string[]) {
  return { name: "tool", version: "1.0.0", integrity, files: [], tree: { to, leave, executable } }
}

/** As archives of the registry are, odd modes, owners and a link out of it included. */
async function writeArchive(dir: string): Promise<string> {
  const writer = pack()
  writer.entry({ name: "package/cli.js", mode: 0o644, uid: 501 }, "cli")
  writer.entry({ name: "package/lib/run.sh", mode: 0o6775 }, "run")
  writer.entry({ name: "package/lib/part.js", mode: 0o666 }, "part")
  writer.entry({ name: "package/lib/part.js.map" }, "map")
  writer.entry({ name: "package/out", type: "symlink", linkname: "../../../etc/shadow" })
  writer.finalize()
  mkdirSync(dir, { recursive: true })
  const file = join(dir, "package.tgz")
  writeFileSync(file, gzipSync(await buffer(writer)))
  return file
}
