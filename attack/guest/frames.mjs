// Ethernet frames, byte by byte.

const GATEWAY_MAC = "52550a000202"
const OWN_MAC = "525400574501"
const BROADCAST = "ffffffffffff"
const UDP = 17
const TCP = 6

export function renderFrame(frame, marker) {
  const body =
    frame.layer === "ip"
      ? renderIp(frame, marker)
      : frame.layer === "ipv6"
        ? renderIpv6(frame, marker)
        : payloadOf(frame, marker)
  const type = frame.layer === "ip" ? 0x0800 : frame.layer === "ipv6" ? 0x86dd : frame.type
  const tag =
    frame.vlan === undefined ? Buffer.alloc(0) : Buffer.from([0x81, 0x00, frame.vlan >> 8, frame.vlan & 0xff])
  return Buffer.concat([
    Buffer.from(type === 0x0806 || frame.to === "255.255.255.255" ? BROADCAST : GATEWAY_MAC, "hex"),
    Buffer.from(frame.sourceMac ?? OWN_MAC, "hex"),
    tag,
    Buffer.from([type >> 8, type & 0xff]),
    body,
  ])
}

function payloadOf(frame, marker) {
  const given = Buffer.from((frame.payloadHex ?? "").replaceAll(" ", ""), "hex")
  const named = frame.bare ? Buffer.alloc(0) : Buffer.from(marker)
  return Buffer.concat([given, named, Buffer.alloc(frame.fillBytes ?? 0, 0x2e)])
}

function renderIp(frame, marker) {
  const options = Buffer.from(frame.optionsHex ?? "", "hex")
  const from = addressBytes(frame.from ?? "10.0.2.15")
  const to = addressBytes(frame.to)
  const inner = renderTransport(frame, payloadOf(frame, marker), Buffer.concat([from, to]))
  const header = Buffer.alloc(20)
  header[0] = 0x45 + options.length / 4
  header.writeUInt16BE(20 + options.length + inner.length, 2)
  header[8] = frame.ttl ?? 64
  header[9] = frame.type
  from.copy(header, 12)
  to.copy(header, 16)
  const whole = Buffer.concat([header, options])
  whole.writeUInt16BE(frame.badChecksum ? 0xdead : checksum(whole), 10)
  return Buffer.concat([whole, inner])
}

function renderIpv6(frame, marker) {
  const from = ipv6Bytes("fe80::5054:ff:fe57:4501")
  const to = ipv6Bytes(frame.to)
  const inner = renderTransport(frame, payloadOf(frame, marker), Buffer.concat([from, to]))
  const header = Buffer.alloc(8)
  header[0] = 0x60
  header.writeUInt16BE(inner.length, 4)
  header[6] = frame.type
  header[7] = 255
  return Buffer.concat([header, from, to, inner])
}

function renderTransport(frame, payload, addresses) {
  if (frame.port === undefined) return payload
  if (frame.type === UDP) {
    const header = Buffer.alloc(8)
    header.writeUInt16BE(frame.sourcePort ?? 40_000, 0)
    header.writeUInt16BE(frame.port, 2)
    header.writeUInt16BE(8 + payload.length, 4)
    return Buffer.concat([header, payload])
  }
  if (frame.type !== TCP) return payload
  const header = Buffer.alloc(20)
  header.writeUInt16BE(frame.sourcePort ?? 40_001, 0)
  header.writeUInt16BE(frame.port, 2)
  header.writeUInt32BE(0x01020304, 4)
  header[12] = 0x50
  header[13] = 0x02 // SYN
  header.writeUInt16BE(64_000, 14)
  const pseudo = Buffer.concat([addresses, Buffer.from([0, TCP, 0, 20])])
  header.writeUInt16BE(checksum(Buffer.concat([pseudo, header])), 16)
  // a SYN that carries data would be dropped for that alone: the marker follows the segment's end
  return Buffer.concat([header, payload])
}

function checksum(bytes) {
  let sum = 0
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] << 8) + (bytes[at + 1] ?? 0)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

function addressBytes(text) {
  return Buffer.from(text.split(".").map(Number))
}

function ipv6Bytes(text) {
  const [left = "", right = ""] = text.split("::")
  const words = (part) => (part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16)))
  const head = words(left)
  const tail = words(right)
  const all = [...head, ...Array(8 - head.length - tail.length).fill(0), ...tail]
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 0xff]))
}
