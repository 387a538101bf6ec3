import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import type { Plan, PlannedEntry } from "../../builder/plan.ts"
import { type SealReport, sealTree } from "../../builder/seal/seal-tree.ts"
import { readTree, type Tree, type TreeEntry, writeTree } from "../../builder/tree.ts"
import { type Inventory, inventory as parseInventory } from "../../contract/inventory.ts"
import { openFolder, type TestFolder } from "./project-folder.ts"

const LIB = "/usr/lib/x86_64-linux-gnu"

describe("sealTree", () => {
  it("takes setuid and setgid bits away and says where", async () => {
    const { tree, report } = await seal({
      "/usr/bin/su": file("x", 0o4755),
      "/usr/bin/wall": file("x", 0o2755),
    })
    expect(report.unprivileged).toEqual(["/usr/bin/su", "/usr/bin/wall"])
    expect([...tree.values()].map((entry) => "mode" in entry && entry.mode & 0o6000)).not.toContain(0o4000)
    expect(tree.get("/usr/bin/su")).toMatchObject({ mode: 0o755 })
  })

  it("counts what each rule took", async () => {
    const { tree, report } = await seal(
      { "/usr/share/doc/a": file("12345"), "/usr/share/doc/b": file("123"), "/etc/keep": file("k") },
      { prune: [{ items: ["/usr/share/doc"], keep: [], why: "for people" }] },
    )
    expect(report.pruned).toEqual([{ why: "for people", files: 2, sizeBytes: 8 }])
    expect(tree.has("/usr/share/doc/a")).toBe(false)
    expect(tree.has("/etc/keep")).toBe(true)
  })

  it("puts the image's own files over Debian's, with owner and mode, and makes the folders above them", async () => {
    const { tree } = await seal(
      { "/etc/motd": file("debian") },
      { entries: [planned("/etc/motd", "ours"), planned("/opt/deep/down/x", "new", 1000)] },
    )
    expect(textOf(tree.get("/etc/motd"))).toBe("ours")
    expect(tree.get("/opt/deep/down")).toEqual({ kind: "directory", mode: 0o755, uid: 0, gid: 0 })
    expect(tree.get("/opt/deep/down/x")).toMatchObject({ uid: 1000, mode: 0o600 })
  })

  it("refuses a file placed through a link such as /bin", async () => {
    const tree = { "/bin": { kind: "link", target: "usr/bin" } as const, "/usr/bin/sh": file("x") }
    await expect(seal(tree, { entries: [planned("/bin/tool", "x")] })).rejects.toMatchObject({
      code: "seal/path-through-link",
      message: "/bin/tool: /bin is not a folder of the image",
    })
  })

  it("refuses a program whose library is not there, and names both", async () => {
    await expect(seal({ "/usr/bin/ls": hostFile("/bin/ls") })).rejects.toMatchObject({
      code: "seal/missing-library",
      message: expect.stringMatching(/^\/usr\/bin\/ls needs \/usr\/lib\/x86_64-linux-gnu\/lib\S+, which/),
    })
  })

  it("takes out libraries that nothing links, and keeps those that are named", async () => {
    const programs = {
      "/usr/bin/true": hostFile("/bin/true"),
      [`${LIB}/libc.so.6`]: hostFile(`/${LIB}/libc.so.6`),
    }
    const loader = { [`${LIB}/ld-linux-x86-64.so.2`]: file("the loader") }
    const spare = {
      [`${LIB}/libspare.so.1`]: file("not linked"),
      [`${LIB}/libnamed.so.1`]: file("opened by name"),
    }
    const { tree, report } = await seal(
      { ...programs, ...loader, ...spare },
      { libraries: [{ items: ["libnamed.so.1"], why: "a program opens it" }] },
    )
    expect(report.unusedLibraries).toEqual([`${LIB}/libspare.so.1`])
    expect([...tree.keys()]).toContain(`${LIB}/libnamed.so.1`)
    expect([...tree.keys()]).toContain(`${LIB}/libc.so.6`)
  })

  it("lists each path with what it is and what accounts for it, folders that nothing brings too", async () => {
    const tree = {
      "/etc": { kind: "directory", mode: 0o755, uid: 0, gid: 0 } as const,
      "/etc/motd": file("12345"),
    }
    const { listed } = await seal(tree, { entries: [planned("/opt/deep/x", "new", 1000)] })
    expect(listed.map(({ path, kind, origin }) => `${path} ${kind} ${origin}`)).toEqual([
      "/etc directory deb:of-debian",
      "/etc/motd file deb:of-debian",
      "/opt directory definition:a%20test",
      "/opt/deep directory definition:a%20test",
      "/opt/deep/x file definition:a%20test",
    ])
    expect(listed[1]).toMatchObject({ size_bytes: 5, sha256: sha256("12345"), mode: 0o644 })
  })

  it("refuses a path that neither a package nor the definition explains", async () => {
    const etc = { kind: "directory", mode: 0o755, uid: 0, gid: 0 } as const
    const strays = new Set(["/etc/stray"])
    const sealing = seal({ "/etc": etc, "/etc/motd": file("m"), "/etc/stray": file("s") }, { strays })
    await expect(sealing).rejects.toMatchObject({
      code: "seal/unexplained",
      message: "/etc/stray is in the image, and neither a package nor the definition says why",
    })
  })

  it("keeps the tree that a check refuses, as the check saw it, for whoever looks into it", async () => {
    using folder = openFolder()
    const debian = { "/usr/bin/true": hostFile("/bin/true"), "/usr/share/doc/a": file("pruned before") }
    const part = { prune: [{ items: ["/usr/share/doc"], keep: [], why: "for people" }] }
    await expect(seal(debian, part, folder)).rejects.toMatchObject({ code: "seal/missing-library" })
    expect([...(await readTree(join(folder.dir, "refused.tar"), () => false)).keys()]).toContain(
      "/usr/bin/true",
    )
    const kept = await readTree(join(folder.dir, "refused.tar"), () => false)
    expect(kept.has("/usr/share/doc/a")).toBe(false)
  })

  it("gives the same bytes for the same tree, in whatever order it came", async () => {
    const one = { "/b": file("2"), "/a": file("1"), "/c/d": file("3") }
    const other = { "/c/d": file("3"), "/a": file("1"), "/b": file("2") }
    expect((await seal(one)).bytes.equals((await seal(other)).bytes)).toBe(true)
  })
})

interface SealOptions extends Partial<Pick<Plan, "prune" | "libraries" | "entries">> {
  /** Paths of Debian's tree that no package has. */
  readonly strays?: ReadonlySet<string>
}

async function seal(
  entries: Readonly<Record<string, TreeEntry>>,
  { strays, ...part }: SealOptions = {},
  kept?: TestFolder,
): Promise<{ tree: Tree; report: SealReport; bytes: Buffer; listed: Inventory["entries"] }> {
  using own = openFolder()
  const folder = kept ?? own
  const debianTar = join(folder.dir, "debian.tar")
  const tar = join(folder.dir, "sealed.tar")
  await writeTree(new Map(Object.entries(entries)), debianTar)
  const plan = { prune: [], keep: [], libraries: [], entries: [], ...part } as unknown as Plan
  const contents = new Map(["ours", "new", "x"].map((text) => [sha256(text), Buffer.from(text)]))
  const debianOwners = new Map(
    Object.keys(entries).flatMap((path) => (strays?.has(path) ? [] : [[path, "of-debian"]])),
  )
  const inventory = join(folder.dir, "inventory.json")
  const { report, tarSha256 } = await sealTree({
    plan,
    debianTar,
    debianOwners,
    npmFiles: [],
    npmTrees: [],
    // no tree of these tests has Python
    python: { dir: join(folder.dir, "python"), run: () => Promise.reject(new Error("no Python is here")) },
    refusedTar: join(folder.dir, "refused.tar"),
    contents,
    tar,
    inventory,
  })
  const listed = parseInventory.parse(JSON.parse(readFileSync(inventory, "utf8"))).entries
  const bytes = readFileSync(tar)
  expect(tarSha256).toBe(createHash("sha256").update(bytes).digest("hex"))
  return { report, bytes, tree: await readTree(tar, () => false), listed }
}

function file(text: string, mode = 0o644): TreeEntry {
  const bytes = Buffer.from(text)
  return { kind: "file", mode, uid: 0, gid: 0, content: { bytes, sizeBytes: bytes.length } }
}

function hostFile(path: string): TreeEntry {
  const bytes = readFileSync(path)
  return { kind: "file", mode: 0o755, uid: 0, gid: 0, content: { bytes, sizeBytes: bytes.length } }
}

function planned(path: string, text: string, uid = 0): PlannedEntry {
  return { kind: "file", path, mode: 0o600, uid, gid: uid, sha256: sha256(text), from: "a test" }
}

function textOf(entry: TreeEntry | undefined): string | undefined {
  return entry?.kind === "file" && "bytes" in entry.content ? entry.content.bytes.toString() : undefined
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex")
}
