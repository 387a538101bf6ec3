/** Writes cpio archives in the newc form that Linux unpacks as its initramfs; the same entries, the same bytes. */

export type CpioEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly bytes: Buffer }
  | { readonly kind: "link"; readonly path: string; readonly target: string }

const TYPE_BITS = { directory: 0o040000, file: 0o100000, link: 0o120000 } as const

/** Paths are relative; every folder above an entry must be an entry itself. Owner is root, time is 1970. */
export function renderCpio(entries: readonly CpioEntry[]): Buffer {
  const sorted = [...entries].sort((left, right) => (left.path < right.path ? -1 : 1))
  const records = sorted.map((entry, index) => renderRecord(entry, index + 1))
  return pad(Buffer.concat([...records, record("TRAILER!!!", 0, 0, 1, Buffer.alloc(0))]), 512)
}

function renderRecord(entry: CpioEntry, inode: number): Buffer {
  const mode = TYPE_BITS[entry.kind] | (entry.kind === "link" ? 0o777 : entry.mode)
  const links = entry.kind === "directory" ? 2 : 1
  return record(entry.path, inode, mode, links, bytesOf(entry))
}

function bytesOf(entry: CpioEntry): Buffer {
  switch (entry.kind) {
    case "directory":
      return Buffer.alloc(0)
    case "file":
      return entry.bytes
    case "link":
      return Buffer.from(entry.target)
    default:
      return entry satisfies never
  }
}

function record(path: string, inode: number, mode: number, links: number, bytes: Buffer): Buffer {
  const name = Buffer.from(`${path}\0`)
  const fields = [inode, mode, 0, 0, links, 0, bytes.length, 0, 0, 0, 0, name.length, 0]
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`)
  return Buffer.concat([pad(Buffer.concat([header, name]), 4), pad(bytes, 4)])
}

function pad(bytes: Buffer, multiple: number): Buffer {
  const rest = bytes.length % multiple
  return rest === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(multiple - rest)])
}
