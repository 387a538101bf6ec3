/** Tries ways out of a machine and names the rule that refused each, from the firewall's counters or the verdict. */

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { zstdDecompressSync } from "node:zlib"
import { z } from "zod"
import { type GuestLines, openGuestLines } from "./guest-lines.ts"
import { projectDir, sharedHome, type TestHome } from "./test-home.ts"

/** What each attempt is, in words; the names are those of guest/attempts.mjs. */
export const ESCAPES = {
  "tcp-public": "TCP to a public address, port 22",
  "tcp-high-port": "TCP to a public address, port 65535",
  "udp-public": "UDP to a public address",
  "quic-port": "QUIC (UDP 443) to a public address",
  "dns-outside": "DNS query to an outside resolver",
  "dns-outside-tcp": "DNS over TCP to an outside resolver",
  "icmp-echo": "ping of a public address",
  "raw-socket": "raw socket on the network card",
  ipv6: "TCP over IPv6",
  "host-not-in-set": "HTTPS to a host that is not in the set",
  "plain-http": "plain HTTP to a host that is not in the set",
  "ip-literal": "HTTPS to an address instead of a name",
  metadata: "the cloud's metadata service",
  "connect-refused-host": "CONNECT to a host that is not in the set",
  "connect-odd-port": "CONNECT to an allowed host on port 22",
  "slirp-host": "QEMU's host alias 10.0.2.2, port 22",
  "slirp-host-http": "QEMU's host alias 10.0.2.2, port 80",
  "gateway-direct": "the gateway's own address, past the proxy",
} as const
export type EscapeId = keyof typeof ESCAPES

export interface EscapeResult {
  /** One of ESCAPES, or `tcp HOST PORT`, `udp HOST PORT`. */
  readonly id: string
  /** `refused`, `silence` (nothing came back), or what got through, in capitals. */
  readonly outcome: string
  readonly detail: string
  readonly rule: string
  readonly ms: number
}

const answer = z.object({
  outcome: z.string(),
  detail: z.string(),
  rule: z.string().optional(),
  ms: z.number(),
})
const counters = z.object({
  nftables: z.array(z.object({ counter: z.object({ name: z.string(), packets: z.int() }).optional() })),
})

/** Puts into the agent's home what the attempts need: the script, and a busybox for what Node cannot do. */
export async function prepareEscapes(home: TestHome, machine: string): Promise<void> {
  const script = readFileSync(join(projectDir, "test/e2e/guest/attempts.mjs"))
  const busybox = readBusybox()
  await home.must(["exec", machine, "--", "sh", "-c", "cat > attempts.mjs"], { input: script })
  await home.must(["exec", machine, "--", "sh", "-c", "cat > busybox && chmod 0755 busybox"], {
    input: busybox,
  })
}

/** Runs attempts one after the other, reading the firewall's counters as root in between. */
export async function tryEscapes(
  home: TestHome,
  machine: string,
  ids: readonly string[],
  user: "agent" | "root" = "agent",
): Promise<EscapeResult[]> {
  await using attempts = openGuestLines(home, machine, user, ["node", "/home/agent/attempts.mjs"])
  await using firewall = openGuestLines(home, machine, "root", [
    "sh",
    "-c",
    "while read -r _; do nft -j list counters | tr -d '\\n'; echo; done",
  ])
  const results: EscapeResult[] = []
  let before = await readCounters(firewall)
  for (const id of ids) {
    const seen = answer.parse(JSON.parse(await attempts.ask(id)))
    const after = await readCounters(firewall)
    results.push({ id, ...seen, rule: seen.rule ?? ruleOf(id, before, after, seen.detail) })
    before = after
  }
  return results
}

async function readCounters(firewall: GuestLines): Promise<ReadonlyMap<string, number>> {
  const listed = counters.parse(JSON.parse(await firewall.ask("now")))
  const named = listed.nftables.flatMap(({ counter }) =>
    counter ? [[counter.name, counter.packets] as const] : [],
  )
  return new Map(named)
}

/** What the kernel itself refuses before a packet is made, and by which setting of the image. */
const BY_KERNEL: Readonly<Record<string, string>> = {
  "icmp-echo": "kernel: no CAP_NET_RAW",
  "raw-socket": "kernel: no CAP_NET_RAW",
  ipv6: "kernel: ipv6.disable=1",
}

function ruleOf(
  id: string,
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  detail: string,
): string {
  const grown = [...after]
    .filter(([name, packets]) => packets > (before.get(name) ?? 0))
    .map(([name]) => name)
  return grown.length > 0 ? `nftables ${grown.join(", ")}` : `${BY_KERNEL[id] ?? "kernel"} (${detail})`
}

/** The static busybox of the image's own initramfs, a cpio archive in the "newc" format. */
function readBusybox(): Buffer {
  const archive = zstdDecompressSync(readFileSync(join(sharedHome, "images/by-name/base/initramfs.cpio.zst")))
  const padded = (length: number) => (length + 3) & ~3
  for (let at = 0; at < archive.length; ) {
    const field = (index: number) =>
      Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16)
    const [sizeBytes, nameBytes] = [field(6), field(11)]
    const name = archive.toString("latin1", at + 110, at + 110 + nameBytes - 1)
    const data = at + padded(110 + nameBytes)
    if (name.endsWith("bin/busybox")) return archive.subarray(data, data + sizeBytes)
    at = data + padded(sizeBytes)
  }
  throw new Error("there is no busybox in the initramfs of image base")
}
