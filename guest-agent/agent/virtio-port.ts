/** A virtio-serial port of the guest as a device: found by its name, read and written in blocks. */

import { read, write } from "node:fs"
import { open, readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"

/** Either side of a wire that the host may open and close as it likes. */
export interface BytePort {
  /** Waits for bytes; null at once while the host's side is closed. */
  readonly read: () => Promise<Buffer | null>
  /** Waits until all is taken, which may be only when the host's side opens again. */
  readonly write: (bytes: Buffer) => Promise<void>
}

const READ_BYTES = 65_536
/** Device nodes and their names come with the driver, which may load after us. */
const APPEAR_MS = 10_000
const POLL_MS = 20

/**
 * `openFile` is its descriptor when systemd has opened it. Each read holds a thread of libuv's pool while it waits: there
 * is no poll() for devices in Node.
 */
export async function openPort(
  name: string,
  openFile: number | undefined,
  sysDir = "/sys/class/virtio-ports",
): Promise<BytePort> {
  const fd = openFile ?? (await open(await findPort(name, sysDir), "r+")).fd
  return { read: () => readSome(fd), write: (bytes) => writeAll(fd, bytes) }
}

/** There is no udev that would link names to devices, so the kernel's own list is read. */
async function findPort(name: string, sysDir: string): Promise<string> {
  for (let waitedMs = 0; waitedMs < APPEAR_MS; waitedMs += POLL_MS) {
    const devices = await readdir(sysDir).catch((thrown: NodeJS.ErrnoException) => {
      if (thrown.code === "ENOENT") return []
      throw thrown
    })
    for (const device of devices) {
      const found = await readFile(join(sysDir, device, "name"), "utf8")
      if (found.trim() === name) return join("/dev", device)
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  throw new Fault("agent/no-port", `no virtio-serial port is named ${name} in ${sysDir}`, {
    hint: `start QEMU with -device virtserialport,name=${name}`,
  })
}

function readSome(fd: number): Promise<Buffer | null> {
  const buffer = Buffer.allocUnsafe(READ_BYTES)
  return new Promise((resolve, reject) => {
    read(fd, buffer, 0, READ_BYTES, null, (error, size) => {
      if (error) reject(error)
      else resolve(size === 0 ? null : Buffer.from(buffer.subarray(0, size)))
    })
  })
}

/** The driver takes at most 32 KiB at a time. */
function writeAll(fd: number, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const step = (offset: number): void => {
      if (offset === bytes.length) {
        resolve()
        return
      }
      write(fd, bytes, offset, bytes.length - offset, null, (error, size) => {
        if (error) reject(error)
        else step(offset + size)
      })
    }
    step(0)
  })
}
