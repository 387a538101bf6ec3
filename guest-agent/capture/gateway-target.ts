/** Where the gateway is: behind this host's one wire, or elsewhere, known by the authority that the image was built with. */

import { readFileSync } from "node:fs"
import { connect as connectTcp, isIP, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { GATEWAY, SITE_FILES } from "../../contract/wire.ts"

export interface GatewayTarget {
  /** True: across a network that others see, so TLS, and only with the gateway. */
  readonly isElsewhere: boolean
  readonly connect: () => Socket
}

/** By the image's own files, which nobody in the guest can write. Faults: `capture/bad-site`. */
export function readGatewayTarget(files: typeof SITE_FILES = SITE_FILES): GatewayTarget {
  const text = readText(files.gateway)
  if (text === null) {
    const { address: host, port } = GATEWAY
    return { isElsewhere: false, connect: () => connectTcp({ host, port, noDelay: true }) }
  }
  const { address, port, name } = parse(text)
  const ca = readText(files.authority)
  if (ca === null) throw bad(`${files.authority} is not there`)
  return {
    isElsewhere: true,
    connect: () => {
      const socket = connectTls({
        host: address,
        port,
        ca,
        ...(name === undefined ? {} : { servername: name }),
        minVersion: "TLSv1.3",
        ALPNProtocols: ["h2"],
        rejectUnauthorized: true,
      })
      socket.setNoDelay(true)
      // what answers but speaks something else is no gateway
      socket.once("secureConnect", () => {
        if (socket.alpnProtocol !== "h2") socket.destroy(bad(`${address} does not speak h2`))
      })
      return socket
    },
  }
}

interface SiteGateway {
  readonly address: string
  readonly port: number
  readonly name?: string
}

/** The builder has checked it: this finds damage, and never goes on with half of it. */
function parse(text: string): SiteGateway {
  const { address, port, name } = Object(readJson(text))
  if (typeof address !== "string" || isIP(address) !== 4) throw bad("address is no IPv4 address")
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw bad("port is no port")
  if (name !== undefined && typeof name !== "string") throw bad("name is no text")
  return { address, port, ...(name === undefined ? {} : { name }) }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    throw bad(reasonOf(thrown))
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8")
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
    throw thrown
  }
}

function bad(reason: string): Fault {
  return new Fault("capture/bad-site", `${SITE_FILES.gateway}: ${reason}`)
}
