import { describe, expect, it } from "vitest"
import type { InventoryEntry } from "../../../contract/inventory.ts"
import { compareImages } from "../../../review/image/compare-images.ts"
import type { ImageView } from "../../../review/image/image-view.ts"
import { renderImageDiff } from "../../../review/image/render-image-diff.ts"

const entry = (
  path: string,
  more: Partial<Extract<InventoryEntry, { kind: "file" }>> = {},
): InventoryEntry => ({
  kind: "file",
  path,
  origin: "deb:bash",
  mode: 0o755,
  uid: 0,
  gid: 0,
  sha256: "a".repeat(64),
  size_bytes: 100,
  ...more,
})

const view = (target: string, more: Partial<Omit<ImageView, "manifest">> = {}): ImageView => ({
  target,
  digest: target.repeat(64).slice(0, 64),
  manifest: {
    ...manifest("quiet console=ttyS0 lockdown=confidentiality stereo.root=one", "5.2.1"),
  },
  inventory: { schema: 1, entries: [entry("/usr/bin/bash")] },
  units: [{ path: "/usr/lib/systemd/system/a.service", kind: "file", content: "1".repeat(64), mode: "0644" }],
  texts: { passwd: "root:x:0:0::/root:/bin/bash\n", group: "tty:x:5:\n", sysctls: "kernel.sysrq = 0\n" },
  ...more,
})

function manifest(commandLine: string, bash: string): ImageView["manifest"] {
  const file = (name: string) => ({ name, sha256: "1".repeat(64), size_bytes: 10 })
  const digests = { kernel: "k", initramfs: "i", root: "r", firewall: "f", ruleset: "s", units: "u" }
  const files = Object.fromEntries(Object.entries(digests).map(([kind, name]) => [kind, file(name)]))
  return {
    ...({ schema: 1, name: "base", profile: "strict", arch: "x86_64", plan: "0".repeat(64) } as const),
    files: files as ImageView["manifest"]["files"],
    kernel: { version: "6.12", command_line: commandLine } as ImageView["manifest"]["kernel"],
    resources: { cpus: 2, memory_mib: 1024, disk_mib: 1024 },
    egress: { sets: [] },
    env: { A: "1" },
    packages: [{ kind: "deb", name: "bash", version: bash, digest: `sha256:${"2".repeat(64)}` }],
  } as unknown as ImageView["manifest"]
}

describe("two images compared", () => {
  it("differ in nothing when they are one", () => {
    const one = view("a")
    const { before, after, ...kinds } = compareImages(one, one)
    expect(before).toEqual(after)
    expect(Object.values(kinds).flat()).toEqual([])
  })

  it("say of each kind of thing what is new, gone or changed", () => {
    const after: ImageView = {
      ...view("b", {
        inventory: {
          schema: 1,
          entries: [entry("/usr/bin/bash", { mode: 0o4755 }), entry("/usr/bin/rbash")],
        },
        units: [
          { path: "/usr/lib/systemd/system/a.service", kind: "link", content: "/dev/null", mode: "0777" },
        ],
        texts: {
          passwd: "root:x:0:0::/root:/bin/bash\nmallory:x:0:0::/root:/bin/bash\n",
          group: null,
          sysctls: "kernel.sysrq = 1\n# a comment = none\n",
        },
      }),
      manifest: manifest("quiet console=ttyS0 console=hvc0 stereo.root=two", "5.2.2"),
    }
    const found = compareImages(view("a"), after)
    expect(found.packages).toEqual([
      { what: "deb:bash", before: "5.2.1 (sha256:222222222222)", after: "5.2.2 (sha256:222222222222)" },
    ])
    expect(found.files).toEqual([
      {
        what: "/usr/bin/bash",
        before: "file 0755 0:0 100 bytes sha256 aaaaaaaaaaaa",
        after: "file 4755 0:0 100 bytes sha256 aaaaaaaaaaaa",
        origin: "deb:bash",
        growthBytes: 0,
      },
      {
        what: "/usr/bin/rbash",
        after: "file 0755 0:0 100 bytes sha256 aaaaaaaaaaaa",
        origin: "deb:bash",
        growthBytes: 100,
      },
    ])
    expect(found.units).toEqual([
      { what: "/usr/lib/systemd/system/a.service", before: "file 0644 sha256 111111111111", after: "masked" },
    ])
    expect(found.sysctls).toEqual([{ what: "kernel.sysrq", before: "0", after: "1" }])
    // the root hash says nothing of its own: the files do
    expect(found.kernelOptions).toEqual([
      { what: "console", before: "ttyS0", after: "ttyS0, hvc0" },
      { what: "lockdown", before: "confidentiality" },
    ])
    expect(found.users).toEqual([
      { what: "group tty", before: "5:" },
      { what: "user mallory", after: "0:0::/root:/bin/bash" },
    ])
  })

  it("fold what a package brings, and name it when asked", () => {
    const many = Array.from({ length: 12 }, (_each, index) => entry(`/usr/share/bash/${index}`))
    const after = view("b", { inventory: { schema: 1, entries: [entry("/usr/bin/bash"), ...many] } })
    const diff = compareImages(view("a"), after)
    const folded = renderImageDiff({ diff, egress: "nothing opens", allFiles: false })
    expect(folded).toContain("… deb:bash: 12 new, +1200 bytes")
    expect(folded).not.toContain("/usr/share/bash/7")
    expect(renderImageDiff({ diff, egress: "nothing opens", allFiles: true })).toContain(
      "+ /usr/share/bash/7 ",
    )
  })
})
