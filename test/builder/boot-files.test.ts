import { zstdCompressSync } from "node:zlib"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { renderCpio } from "../../builder/artifact/cpio.ts"
import { closeModules, renderModulesDep } from "../../builder/artifact/module-dependencies.ts"
import { extractVmlinux } from "../../contract/extract-vmlinux.ts"
import { shrinkElf } from "../../contract/shrink-elf.ts"
import { renderBzImage, renderElf } from "../fakes/kernel-file.ts"

describe("extractVmlinux", () => {
  const elf = renderElf([{ address: 0x1000n, bytes: Buffer.from("code") }])

  it("finds the ELF file inside a bzImage with a zstd payload", () => {
    expect(extractVmlinux(renderBzImage(zstdCompressSync(elf))).equals(elf)).toBe(true)
  })

  it.each([
    ["a file that is not a kernel", Buffer.alloc(8192), "kernel/not-a-kernel"],
    [
      "a kernel that was cut short",
      renderBzImage(zstdCompressSync(elf)).subarray(0, 0x1000 + 30),
      "kernel/cut-kernel",
    ],
    [
      "a payload of another compression",
      renderBzImage(Buffer.from("BZh91AY&SY")),
      "kernel/unknown-compression",
    ],
    [
      "a payload that is broken",
      renderBzImage(Buffer.from("28b52ffdffffffffffff", "hex")),
      "kernel/bad-kernel",
    ],
    [
      "a payload that is no ELF file",
      renderBzImage(zstdCompressSync(Buffer.from("text"))),
      "kernel/not-an-elf",
    ],
  ])("refuses %s", (_claim, image, code) => {
    expect(() => extractVmlinux(image)).toThrow(expect.objectContaining({ code }))
  })
})

describe("shrinkElf", () => {
  it("loads into memory as the file that it was made of, and is no larger", () => {
    const part = fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }), zeros: fc.nat(20_000) })
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const elf = renderElf(
          parts.map(({ bytes, zeros }, index) => ({
            address: BigInt(index + 1) << 20n,
            bytes: Buffer.concat([bytes, Buffer.alloc(zeros)]),
          })),
        )
        const small = shrinkElf(elf)
        expect(loadElf(small)).toEqual(loadElf(elf))
        expect(small.length).toBeLessThanOrEqual(Math.ceil(elf.length / 4096) * 4096 + parts.length * 4096)
      }),
      { seed: 1, numRuns: 200 },
    )
  })

  it("drops zeros at the end of a segment", () => {
    const elf = renderElf([
      { address: 0x100000n, bytes: Buffer.concat([Buffer.from("x"), Buffer.alloc(1 << 20)]) },
    ])
    expect(shrinkElf(elf).length).toBe(8192)
  })
})

describe("kernel modules", () => {
  const kernel = new Map([
    ["nft_ct", moduleOf("nf_tables,nf-conntrack")],
    ["nf_tables", moduleOf("nfnetlink,libcrc32c")],
    ["nf_conntrack", moduleOf("nf_defrag_ipv4,libcrc32c")],
    ["nfnetlink", moduleOf("")],
    ["libcrc32c", moduleOf("")],
    ["nf_defrag_ipv4", moduleOf("")],
    ["unrelated", moduleOf("")],
  ])
  const load = async (names: readonly string[]) =>
    new Map(names.map((name) => [name, kernel.get(name) ?? moduleOf("")]))

  it("brings what a module needs, and what that needs, and nothing else", async () => {
    expect([...(await closeModules(["nft-ct"], load)).keys()]).toEqual([
      "libcrc32c",
      "nf_conntrack",
      "nf_defrag_ipv4",
      "nf_tables",
      "nfnetlink",
      "nft_ct",
    ])
  })

  it("lists needs so that, read from the end, none comes before what it needs", async () => {
    const modules = await closeModules(["nft_ct"], load)
    const line = renderModulesDep(modules)
      .split("\n")
      .find((each) => each.startsWith("nft_ct.ko:"))
    const order = (line ?? "").split(" ").slice(1).reverse()
    expect(order).toHaveLength(5)
    expect(order.indexOf("nf_tables.ko")).toBeGreaterThan(order.indexOf("nfnetlink.ko"))
    expect(order.indexOf("nf_conntrack.ko")).toBeGreaterThan(order.indexOf("nf_defrag_ipv4.ko"))
    expect(order.indexOf("nf_tables.ko")).toBeGreaterThan(order.indexOf("libcrc32c.ko"))
  })
})

describe("renderCpio", () => {
  it("writes sorted records that a reader finds again, and ends with the trailer", () => {
    const archive = renderCpio([
      { kind: "file", path: "init", mode: 0o755, bytes: Buffer.from("#!/bin/sh\n") },
      { kind: "directory", path: "bin", mode: 0o755 },
      { kind: "link", path: "bin/sh", target: "busybox" },
    ])
    expect(readCpio(archive)).toEqual([
      { path: "bin", mode: 0o040755, text: "" },
      { path: "bin/sh", mode: 0o120777, text: "busybox" },
      { path: "init", mode: 0o100755, text: "#!/bin/sh\n" },
    ])
    expect(archive.length % 512).toBe(0)
  })

  it("gives the same bytes in whatever order the entries come", () => {
    const entries = ["a", "b", "c"].map((path) => ({ kind: "directory", path, mode: 0o755 }) as const)
    expect(renderCpio(entries).equals(renderCpio([...entries].reverse()))).toBe(true)
  })
})

function moduleOf(depends: string): Buffer {
  return Buffer.from(`\x7fELF…\0license=GPL\0depends=${depends}\0name=x\0`)
}

/** What a boot loader would put where. */
function loadElf(elf: Buffer): { address: bigint; memory: string }[] {
  return Array.from({ length: elf.readUInt16LE(56) }, (_each, index) => {
    const at = Number(elf.readBigUInt64LE(32)) + index * 56
    const from = Number(elf.readBigUInt64LE(at + 8))
    const memory = Buffer.alloc(Number(elf.readBigUInt64LE(at + 40)))
    elf.copy(memory, 0, from, from + Number(elf.readBigUInt64LE(at + 32)))
    return { address: elf.readBigUInt64LE(at + 24), memory: memory.toString("base64") }
  })
}

function readCpio(archive: Buffer): { path: string; mode: number; text: string }[] {
  const rows: { path: string; mode: number; text: string }[] = []
  let at = 0
  for (;;) {
    const field = (index: number) =>
      Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16)
    const nameEnd = at + 110 + field(11)
    const path = archive.toString("latin1", at + 110, nameEnd - 1)
    const start = Math.ceil(nameEnd / 4) * 4
    if (path === "TRAILER!!!") return rows
    rows.push({ path, mode: field(1), text: archive.toString("latin1", start, start + field(6)) })
    at = Math.ceil((start + field(6)) / 4) * 4
  }
}
