import { createHash } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { authenticodeSha256, readPeSections } from "../../builder/artifact/pe-file.ts"
import { Fault } from "../../contract/fault.ts"
import { runProperty } from "../fuzz/run-property.ts"

const HEADERS_BYTES = 0x400
const OPTIONAL = 0x98
const FILE = renderPe({ ".text": "code", ".cmdline": "quiet" })

describe("a program for UEFI firmware", () => {
  it("has its sections as they lie in memory", () => {
    expect(readPeSections(FILE).map(({ name, bytes }) => [name, bytes.toString()])).toEqual([
      [".text", "code"],
      [".cmdline", "quiet"],
    ])
  })

  it("keeps its Authenticode hash when it is signed, and loses it with any other byte", () => {
    const hash = authenticodeSha256(FILE)
    const signed = Buffer.concat([FILE, Buffer.alloc(16, 7)])
    signed.writeUInt32LE(0x1234, OPTIONAL + 64) // checksum
    signed.writeUInt32LE(FILE.length, OPTIONAL + 144)
    signed.writeUInt32LE(16, OPTIONAL + 148)
    expect(authenticodeSha256(signed)).toBe(hash)
    const left = [
      FILE.subarray(0, OPTIONAL + 64),
      FILE.subarray(OPTIONAL + 68, OPTIONAL + 144),
      FILE.subarray(OPTIONAL + 152),
    ]
    expect(hash).toBe(createHash("sha256").update(Buffer.concat(left)).digest("hex"))
    const changed = Buffer.from(FILE)
    changed.writeUInt8(changed.readUInt8(HEADERS_BYTES) ^ 1, HEADERS_BYTES)
    expect(authenticodeSha256(changed)).not.toBe(hash)
  })

  it("is a fault or a hash, whatever the bytes are", () => {
    const edits = fc.array(fc.tuple(fc.nat(HEADERS_BYTES), fc.nat(255)), { maxLength: 8 })
    return runProperty(
      fc.property(edits, fc.nat(FILE.length), (changes, length) => {
        const file = Buffer.from(FILE.subarray(0, length))
        for (const [at, value] of changes) if (at < file.length) file.writeUInt8(value, at)
        try {
          return /^[0-9a-f]{64}$/.test(authenticodeSha256(file))
        } catch (thrown) {
          return thrown instanceof Fault && thrown.code === "artifact/not-a-pe"
        }
      }),
    )
  })
})

/** The least that the firmware's loader reads: headers, section table, sections padded to 512 bytes. */
function renderPe(sections: Readonly<Record<string, string>>): Buffer {
  const headers = Buffer.alloc(HEADERS_BYTES)
  headers.write("MZ")
  headers.writeUInt32LE(0x80, 0x3c)
  headers.write("PE\0\0", 0x80, "latin1")
  headers.writeUInt16LE(Object.keys(sections).length, 0x80 + 6)
  headers.writeUInt16LE(0xf0, 0x80 + 20)
  headers.writeUInt16LE(0x20b, OPTIONAL)
  headers.writeUInt32LE(HEADERS_BYTES, OPTIONAL + 60)
  const bodies = Object.entries(sections).map(([name, text], index) => {
    const at = OPTIONAL + 0xf0 + index * 40
    headers.write(name, at, "latin1")
    headers.writeUInt32LE(text.length, at + 8)
    headers.writeUInt32LE(512, at + 16)
    headers.writeUInt32LE(HEADERS_BYTES + index * 512, at + 20)
    const body = Buffer.alloc(512)
    body.write(text)
    return body
  })
  return Buffer.concat([headers, ...bodies])
}
