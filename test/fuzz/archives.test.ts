import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buffer } from "node:stream/consumers"
import fc from "fast-check"
import { pack } from "tar-stream"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readTree } from "../../builder/tree.ts"
import { Fault } from "../../contract/fault.ts"
import { FUZZ_TIMEOUT_MS, runProperty } from "./run-property.ts"

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "stereo-fuzz-"))
})
afterAll(() => rmSync(dir, { recursive: true }))

const name = fc
  .array(fc.constantFrom("usr", "bin", "etc", "..", ".", "/", "//", "é", "a".repeat(120), "\t", "\\"), {
    minLength: 1,
    maxLength: 6,
  })
  .map((parts) => parts.join(""))
const entry = fc.record({
  name,
  type: fc.constantFrom("file", "directory", "symlink", "link", "character-device", "fifo"),
  linkname: name,
  mode: fc.integer({ min: 0, max: 0o7777 }),
  bytes: fc.uint8Array({ maxLength: 700 }),
})
/** One byte elsewhere, or the end cut off: what a disk or a hostile packer makes of an archive. */
const harm = fc.oneof(
  fc.constant(null),
  fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) }),
  fc.record({ keep: fc.nat() }),
)

describe("tar archives", { timeout: FUZZ_TIMEOUT_MS }, () => {
  it("give a tree of plain absolute paths, or a fault with a name", () =>
    runProperty(
      fc.asyncProperty(fc.array(entry, { maxLength: 5 }), harm, async (entries, harmed) => {
        const file = join(dir, "one.tar")
        writeFileSync(file, spoil(await render(entries), harmed))
        try {
          const paths = [...(await readTree(file, () => false)).keys()]
          expect(paths.filter((path) => !/^(?:\/(?!\.{1,2}(?:\/|$))[^/\0]+)+$/.test(path))).toEqual([])
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(Fault)
        }
      }),
    ))

  it("that are no archives at all do the same", () =>
    runProperty(
      fc.asyncProperty(fc.uint8Array({ maxLength: 2048 }), async (bytes) => {
        const file = join(dir, "two.tar")
        writeFileSync(file, bytes)
        await readTree(file, () => false).catch((thrown) => expect(thrown).toBeInstanceOf(Fault))
      }),
    ))
})

type Entry = typeof entry extends fc.Arbitrary<infer Value> ? Value : never

async function render(entries: readonly Entry[]): Promise<Buffer> {
  const writer = pack()
  for (const { bytes, ...header } of entries) {
    const type = header.type as "file" // one of the names above, which the package's type spells out
    const whole = { ...header, type, size: header.type === "file" ? bytes.length : 0 }
    if (header.type === "file") writer.entry(whole, Buffer.from(bytes))
    else writer.entry(whole, "")
  }
  writer.finalize()
  return buffer(writer)
}

function spoil(tar: Buffer, harmed: { at: number; byte: number } | { keep: number } | null): Buffer {
  if (harmed === null) return tar
  if ("keep" in harmed) return tar.subarray(0, harmed.keep % (tar.length + 1))
  tar[harmed.at % tar.length] = harmed.byte
  return tar
}
