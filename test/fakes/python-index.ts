/** An index as pip knows it: the simple pages of PyPI's index and the wheels on its second host, on one port. */

import { createHash } from "node:crypto"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { crc32 } from "node:zlib"

export interface PythonIndex extends AsyncDisposable {
  readonly url: string
  /** Method and target of every request that came. */
  readonly requests: readonly string[]
}

/** Gives version 1.0 of one project, a module whose `hello()` says `text`; `filesUrl` is where clients look for files. */
export async function openPythonIndex(name: string, text: string, filesUrl: string): Promise<PythonIndex> {
  const wheel = renderWheel(name, text)
  const sha256 = createHash("sha256").update(wheel).digest("hex")
  const path = `/packages/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256.slice(4)}/${name}-1.0-py3-none-any.whl`
  const page = `<!DOCTYPE html><html><body><a href="${filesUrl}${path}#sha256=${sha256}">${name}-1.0-py3-none-any.whl</a></body></html>`
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    if (request.url === `/simple/${name}/`) response.setHeader("content-type", "text/html").end(page)
    else if (request.url === path) response.end(wheel)
    else response.writeHead(404).end()
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // a TCP server's address is never a string
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}

function renderWheel(name: string, text: string): Buffer {
  const info = `${name}-1.0.dist-info`
  const files: [string, string][] = [
    [`${name}.py`, `def hello():\n    return ${JSON.stringify(text)}\n`],
    [`${info}/METADATA`, `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n`],
    [`${info}/WHEEL`, "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"],
  ]
  const record = [...files.map(([path]) => `${path},,`), `${info}/RECORD,,`].join("\n")
  return renderZip([...files, [`${info}/RECORD`, `${record}\n`]])
}

/** Files stored as they are: local entries, then the directory that names them, then where it lies. */
function renderZip(files: readonly (readonly [string, string])[]): Buffer {
  const entries: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [path, text] of files) {
    const [name, bytes] = [Buffer.from(path), Buffer.from(text)]
    // version, flags, method, time, date (1980-01-01), checksum, sizes, lengths of name and extra field
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(0x21, 8)
    common.writeUInt32LE(crc32(bytes), 10)
    common.writeUInt32LE(bytes.length, 14)
    common.writeUInt32LE(bytes.length, 18)
    common.writeUInt16LE(name.length, 22)
    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    entries.push(Buffer.from("PK\x03\x04"), common, name, bytes)
    directory.push(Buffer.from("PK\x01\x02\x14\x00"), common, place, name)
    offset += 30 + name.length + bytes.length
  }
  const listed = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(files.length, 4)
  end.writeUInt16LE(files.length, 6)
  end.writeUInt32LE(listed.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...entries, listed, Buffer.from("PK\x05\x06"), end])
}
