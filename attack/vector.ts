/** What an attack is: who tries it from where, what is to become of it, and how the guest's half is told to try it. */

export type Group = "G1" | "G2" | "G3" | "G4" | "G5" | "G6"

/**
 * REF: refused or dropped, nothing of it leaves · 403: refused by the host by a rule with a name, and archived ·
 * 400: cannot be read in one way only, refused before it could go anywhere · SYN: answered inside, nothing
 * leaves · ABS: the way is not there · GST: has its effect in the guest alone · BND: allowed, recorded and
 * bounded · NP: not promised.
 */
export type Expected = "REF" | "403" | "400" | "SYN" | "ABS" | "GST" | "BND" | "NP"

/**
 * In all texts the guest or the battery puts in `{m}` (the case's own marker), `{canary}` (a port of the host on
 * which a canary listens), `{pid:capture}` (the capture proxy's process) and `{env:NAME}`.
 */
export type Probe =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number | string }
  | { readonly kind: "udp"; readonly host: string; readonly port: number | string; readonly hex?: string }
  /** A question to the guest's resolver by getaddrinfo, or to `server` by a packet of our own. */
  | {
      readonly kind: "dns"
      readonly name: string
      readonly type?: number
      readonly server?: string
      readonly tcp?: boolean
      readonly repeat?: number
    }
  /** A well-formed request: redirected at port 80 or 443, or by the explicit proxy. */
  | WebProbe
  /** Bytes as they are, to the same three places; `connect` opens a tunnel first. */
  | RawProbe
  | { readonly kind: "shell"; readonly script: string; readonly deadlineMs?: number }
  /** System calls by number, in one process that stays until it has been inspected. */
  | { readonly kind: "calls"; readonly calls: readonly SystemCall[] }
  /** Ethernet frames from a packet socket, past the guest's own filter. */
  | { readonly kind: "frames"; readonly frames: readonly Frame[] }
  /** HTTP/2 straight to the gateway, as the capture proxy's user, past the proxy. */
  | GatewayProbe
  | { readonly kind: "gateway-bytes"; readonly hex: string; readonly repeat?: number }
  /** Nothing in the guest: a fact that the host reads of QEMU's process and of its own files. */
  | { readonly kind: "host"; readonly check: HostCheck }
  /** Not tried: the reason stands in the vector. */
  | { readonly kind: "none" }

export interface WebProbe {
  readonly kind: "web"
  readonly to: "http" | "https" | "proxy"
  readonly host: string
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Bytes of filling after `body`. */
  readonly fillBytes?: number
  /** The name in the TLS handshake, if it is not the host's. */
  readonly sni?: string
}

export interface RawProbe {
  readonly kind: "raw"
  readonly to: "http" | "https" | "proxy"
  readonly sni?: string
  readonly connect?: string
  readonly send: readonly string[]
  readonly pauseMs?: number
  readonly tls?: { readonly alpn?: string; readonly max?: "TLSv1" | "TLSv1.1" | "TLSv1.2" }
  readonly deadlineMs?: number
}

export interface GatewayProbe {
  readonly kind: "gateway"
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string
  readonly fillBytes?: number
  /** How often the same is sent; with `reset`, each is cut at once. */
  readonly repeat?: number
  readonly reset?: boolean
}

export interface SystemCall {
  readonly number: number
  /** A number, bytes in hexadecimal (passed by address), `{result:N}` of an earlier call, or `{pid:capture}`. */
  readonly args: readonly (number | string)[]
}

export interface Frame {
  readonly layer: "ether" | "ip" | "ipv6"
  /** EtherType, or the protocol after the IP header. */
  readonly type: number
  readonly to?: string
  readonly from?: string
  readonly sourceMac?: string
  readonly vlan?: number
  readonly ttl?: number
  readonly optionsHex?: string
  readonly badChecksum?: boolean
  /** UDP or TCP SYN in front of the payload, when the protocol is one of them. */
  readonly port?: number
  readonly sourcePort?: number
  readonly payloadHex?: string
  /** Bytes of filling after payload and marker. */
  readonly fillBytes?: number
  /** The payload goes without the marker. */
  readonly bare?: boolean
}

export type HostCheck =
  | "qemu-confined"
  | "qemu-arguments"
  | "qemu-namespace"
  | "disk-not-mounted"
  | "sockets-private"
  | "image-unchanged"
  | "console-bounded"

/** What an inspector, root by the control wire, looks for at the processes of the attack. */
export type Gain =
  | "uid"
  | "capabilities"
  | "namespace"
  | "descriptor"
  | "tracer"
  | "proxy-gone"
  | "setuid-file"

export interface Vector {
  /** Number of the design's battery and a short name; stable. */
  readonly id: string
  readonly group: Group
  readonly title: string
  readonly from: readonly ("agent" | "root")[]
  readonly how: Probe
  readonly expected: Expected
  /** Rules of which one must have refused; absent: any. */
  readonly rules?: readonly string[]
  /** How the archive's rows are known when no marker can stand in them: the authority of a CONNECT. */
  readonly authority?: string
  /** A host that the machine's policy must allow for the vector to mean anything. */
  readonly needs?: string
  /** What the vector needs of the witnesses' world: it resolves names, or plays the allowed hosts. */
  readonly world?: "resolves" | "upstream"
  /** The allowed host's name may be asked for, and its public address be reached. */
  readonly reaches?: boolean
  /** The answer must not come through whole. */
  readonly cut?: boolean
  /** More bytes of a body than this may not have left. */
  readonly maxBytes?: number
  /** Tried after `nft flush ruleset`. */
  readonly flushed?: boolean
  readonly gain?: Gain
  /** Where the same bypass got through in another system. */
  readonly seenIn?: string
  /** Why it is not promised. */
  readonly reason?: string
}

/** One vector as one user tries it. */
export interface AttackCase {
  readonly vector: Vector
  readonly from: "agent" | "root"
  /** Lower-case letters and digits; in this case's host names, paths and payloads, and nowhere else. */
  readonly marker: string
}

/** `id` alone where one user tries it, with the user otherwise. */
export function caseName({ vector, from }: Pick<AttackCase, "vector" | "from">): string {
  return vector.from.length === 1 ? vector.id : `${vector.id}:${from}`
}
