/** A root file system in memory: entries by absolute path, read from and written to tar archives. */

import { createHash, type Hash } from "node:crypto"
import { createReadStream, createWriteStream } from "node:fs"
import { open } from "node:fs/promises"
import { pipeline } from "node:stream/promises"
import { createGunzip } from "node:zlib"
import { extract, type Header, pack } from "tar-stream"
import { Fault, reasonOf } from "../contract/fault.ts"

/** Bytes in memory, or for what is large a file of the cache, whole or from a byte on. */
export type Content =
  | { readonly bytes: Buffer; readonly sizeBytes: number }
  | { readonly file: string; readonly startByte?: number; readonly sizeBytes: number }

export type TreeEntry =
  | { readonly kind: "directory"; readonly mode: number; readonly uid: number; readonly gid: number }
  | {
      readonly kind: "file"
      readonly mode: number
      readonly uid: number
      readonly gid: number
      readonly content: Content
      /** Its security.capability, in hex; no archive that is written here has any. */
      readonly capabilities?: string
    }
  | { readonly kind: "link"; readonly target: string }

/** What has bytes of its own; those of a folder that says it has some would be waited for without end. */
const FILE_TYPES: ReadonlySet<string> = new Set(["file", "contiguous-file"])
/** How a file of gzip begins. */
const GZIP = Buffer.from([0x1f, 0x8b])

/** Keys are absolute paths without a slash at the end; the root is not among them. */
export type Tree = Map<string, TreeEntry>

/** Which entries of an archive are not kept. */
type Skip = (path: string, sizeBytes: number) => boolean
/** Of which files the bytes are wanted in memory. */
type Hold = (path: string, sizeBytes: number) => boolean

/**
 * Reads an archive, compressed by gzip or not; entries that `skip` names are not kept. Devices are left out: /dev is the kernel's.
 * Files that `hold` does not name stay where they are, in an archive that is not compressed.
 * Faults: `seal/bad-archive` for what is no whole archive, or names a place outside of it.
 */
export async function readTree(tar: string, skip: Skip, hold: Hold = () => true): Promise<Tree> {
  try {
    return await readEntries(tar, skip, hold)
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown
    throw new Fault("seal/bad-archive", `${tar}: ${reasonOf(thrown)}`, {
      hint: "what a build had begun is in its way: remove the folder that holds it, and build again",
      cause: thrown,
    })
  }
}

async function readEntries(tar: string, skip: Skip, hold: Hold): Promise<Tree> {
  const tree: Tree = new Map()
  const reader = extract()
  const compressed = await isCompressed(tar)
  const reading = compressed
    ? pipeline(createReadStream(tar), createGunzip(), reader)
    : pipeline(createReadStream(tar), reader)
  reading.catch(() => null) // the loop below ends with the same error
  for await (const entry of reader) {
    const path = absolutePath(entry.header.name)
    const sizeBytes = entry.header.size ?? 0
    if (path === "/" || skip(path, sizeBytes)) entry.resume()
    else {
      const held = FILE_TYPES.has(entry.header.type ?? "") && (compressed || hold(path, sizeBytes))
      const content = held ? await readBytes(entry as AsyncIterable<Buffer>) : leaveBytes(entry, tar)
      const made = toEntry(entry.header, content, tree)
      if (made) tree.set(path, made)
    }
  }
  await reading
  return tree
}

async function isCompressed(tar: string): Promise<boolean> {
  await using file = await open(tar)
  const { buffer: start } = await file.read(Buffer.alloc(2), 0, 2, 0)
  return start.equals(GZIP)
}

/** Without the copy that `buffer` of node:stream/consumers makes by way of a Blob. */
async function readBytes(entry: AsyncIterable<Buffer>): Promise<Content> {
  const chunks: Buffer[] = []
  for await (const chunk of entry) chunks.push(chunk)
  const [first] = chunks
  const bytes = chunks.length === 1 && first ? first : Buffer.concat(chunks)
  return { bytes, sizeBytes: bytes.length }
}

function leaveBytes(entry: { readonly header: Header; resume(): unknown }, file: string): Content {
  // tar-stream says it, its types do not
  const { byteOffset, size = 0 } = entry.header as Header & { readonly byteOffset: number }
  entry.resume()
  return { file, startByte: byteOffset, sizeBytes: size }
}

function toEntry(header: Header, content: Content, tree: Tree): TreeEntry | null {
  const owner = { mode: (header.mode ?? 0) & 0o7777, uid: header.uid ?? 0, gid: header.gid ?? 0 }
  switch (header.type) {
    case "directory":
      return { kind: "directory", ...owner }
    case "file":
    case "contiguous-file":
      return {
        kind: "file",
        ...owner,
        content,
        ...capabilitiesOf(header),
      }
    case "symlink":
      return { kind: "link", target: header.linkname ?? "" }
    case "link":
      return tree.get(absolutePath(header.linkname ?? "")) ?? null
    default:
      return null
  }
}

/** As tar keeps them; a tree that drops them silently would hide that a program was to have them. */
function capabilitiesOf({ pax }: Header): { capabilities?: string } {
  const found = Object.entries(pax ?? {}).find(([key]) => key === "SCHILY.xattr.security.capability")
  return found === undefined ? {} : { capabilities: Buffer.from(String(found[1])).toString("hex") }
}

/** `./usr/bin/` and `usr/bin` name one place; what a file system would read as another place is refused. */
function absolutePath(name: string): string {
  const path = `/${name.replace(/^(?:\.?\/+)+|^\.$/, "").replace(/\/+$/, "")}`
  const parts = path.split("/").slice(1)
  if (path === "/" || !parts.some((part) => part === "" || part === "." || part === ".." || /\0/.test(part)))
    return path
  throw new Fault(
    "seal/bad-archive",
    `the archive names ${JSON.stringify(name.slice(0, 200))}, which is no path`,
  )
}

/** Writes the tree sorted by path with one fixed time; the same tree gives the same bytes, whose sha256 is given back. */
export async function writeTree(tree: Tree, tar: string): Promise<string> {
  const writer = pack()
  const hash = createHash("sha256")
  const writing = pipeline(hashed(writer as AsyncIterable<Buffer>, hash), createWriteStream(tar))
  const filling = fill(tree, writer)
  await Promise.all([writing, filling])
  return hash.digest("hex")
}

async function* hashed(pieces: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    hash.update(piece)
    yield piece
  }
}

async function fill(tree: Tree, writer: ReturnType<typeof pack>): Promise<void> {
  const mtime = new Date(0)
  writer.entry({ name: "./", type: "directory", mode: 0o755, uid: 0, gid: 0, mtime })
  for (const [path, entry] of [...tree].sort(([left], [right]) => (left < right ? -1 : 1))) {
    const name = `.${path}`
    if (entry.kind === "directory") {
      writer.entry({
        name: `${name}/`,
        type: "directory",
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime,
      })
    } else if (entry.kind === "link") {
      writer.entry({ name, type: "symlink", linkname: entry.target, mode: 0o777, uid: 0, gid: 0, mtime })
    } else await writeFile(writer, name, entry, mtime)
  }
  writer.finalize()
}

async function writeFile(
  writer: ReturnType<typeof pack>,
  name: string,
  entry: Extract<TreeEntry, { kind: "file" }>,
  mtime: Date,
): Promise<void> {
  const { content, mode, uid, gid } = entry
  const header = { name, type: "file", size: content.sizeBytes, mode, uid, gid, mtime } as const
  await pipeline(checkedContent(name, content), writer.entry(header))
}

/** The fault is thrown where the bytes come from, and so goes through the archive's own streams to whoever writes it. */
async function* checkedContent(name: string, content: Content): AsyncGenerator<Buffer> {
  const wrongSize = (what: string) => unwritable(name, `it has ${what} than ${content.sizeBytes} bytes`)
  let left = content.sizeBytes
  for await (const piece of readable(name, content)) {
    left -= piece.length
    if (left < 0) throw wrongSize("more")
    yield piece
  }
  if (left > 0) throw wrongSize("fewer")
}

async function* readable(name: string, content: Content): AsyncGenerator<Buffer> {
  try {
    yield* readContent(content)
  } catch (cause) {
    throw unwritable(name, reasonOf(cause), cause)
  }
}

function unwritable(name: string, why: string, cause?: unknown): Fault {
  return new Fault("seal/unwritable", `${name} could not be written into the archive: ${why}`, { cause })
}

/** In pieces; of a whole file all that it has, whatever was said of its size. */
export function readContent(content: Content): Iterable<Buffer> | AsyncIterable<Buffer> {
  if ("bytes" in content) return [content.bytes]
  if (!("startByte" in content)) return createReadStream(content.file)
  const { file, startByte: start, sizeBytes } = content
  return sizeBytes === 0 ? [] : createReadStream(file, { start, end: start + sizeBytes - 1 })
}
