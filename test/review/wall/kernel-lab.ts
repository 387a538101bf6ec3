/** A kernel that judges single packets: two network namespaces, real sockets in one, all that arrives noted in the other. */

import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"

/** A packet that a socket can send. */
export interface Attempt {
  readonly protocol: "tcp" | "udp"
  readonly destination: string
  readonly dport: number
  readonly uid: number
  /** The socket is bound to eth0. */
  readonly bound: boolean
}

/** Sends one packet a line, each by a socket of its own user; perl is on every Debian. */
const SEND = `
use Socket; use Fcntl;
while (<STDIN>) {
  my ($proto, $host, $port, $uid, $bound, $sport) = split;
  next if fork; $( = $) = "$uid $uid"; $< = $> = $uid;
  socket(my $s, PF_INET, $proto eq "tcp" ? SOCK_STREAM : SOCK_DGRAM, 0) or die "socket: $!";
  if ($bound) { setsockopt($s, SOL_SOCKET, 25, "eth0") or die "bind to device: $!" }
  bind($s, sockaddr_in($sport, INADDR_ANY)) or die "bind: $!";
  fcntl($s, F_SETFL, O_NONBLOCK);
  connect($s, sockaddr_in($port, inet_aton($host))); send($s, "x", 0);
  select(undef, undef, undef, 0.02); exit;
}
1 while wait > 0;`
const WITNESS = `table inet w {
set seen { type ipv4_addr . inet_proto . inet_service . inet_service; size 65535; flags dynamic;
}
chain c { type filter hook prerouting priority raw; policy accept;
iif lo accept
meta l4proto { tcp, udp } add @seen { ip daddr . meta l4proto . th dport . th sport } drop
}
}`

export class KernelLab implements Disposable {
  readonly #guest = `pg${process.pid}`
  readonly #witness = `pw${process.pid}`
  #sport = 20_000

  constructor() {
    this.#sweep()
    const quiet =
      "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"
    for (const name of [this.#guest, this.#witness]) {
      execFileSync("ip", ["netns", "add", name])
      this.#inside(name, ["sh", "-c", `${quiet}; ip link set lo up`])
    }
    execFileSync("ip", [
      "-n",
      this.#guest,
      "link",
      "add",
      "eth0",
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      this.#witness,
    ])
    this.#inside(this.#witness, ["nft", "-f", "-"], WITNESS)
    const addresses = [2, 3, 4].map((last) => `ip addr add 10.77.0.${last}/24 dev eth0`).join("; ")
    this.#inside(this.#witness, ["sh", "-ec", `ip link set eth0 up; ${addresses}`])
    this.#inside(this.#guest, [
      "sh",
      "-ec",
      "ip addr add 10.77.0.1/24 dev eth0; ip link set eth0 up; ip route add default via 10.77.0.2",
    ])
  }

  /** Loads a ruleset in place of the last one and gives the kernel's listing. */
  load(text: string): unknown {
    this.#inside(this.#guest, ["nft", "-f", "-"], `flush ruleset\n${text}`)
    return JSON.parse(this.#inside(this.#guest, ["nft", "-j", "list", "ruleset"]))
  }

  /** Sends each and says which arrived at the witness, as `ADDRESS PORT`; null for one that did not. */
  send(attempts: readonly Attempt[]): readonly (string | null)[] {
    const first = this.#sport
    this.#sport += attempts.length
    const lines = attempts.map(({ protocol, destination, dport, uid, bound }, index) => {
      return `${protocol} ${destination} ${dport} ${uid} ${Number(bound)} ${first + index}\n`
    })
    this.#inside(this.#guest, ["perl", "-e", SEND], lines.join(""))
    const listed: { nftables: { set?: { elem?: { concat: [string, string, number, number] }[] } }[] } =
      JSON.parse(this.#inside(this.#witness, ["nft", "-j", "list", "set", "inet", "w", "seen"]))
    const seen = new Map(
      listed.nftables
        .flatMap(({ set }) => set?.elem ?? [])
        .map(({ concat: [address, _protocol, dport, sport] }) => [sport, `${address} ${dport}`]),
    )
    return attempts.map((_, index) => seen.get(first + index) ?? null)
  }

  [Symbol.dispose](): void {
    for (const name of [this.#guest, this.#witness]) execFileSync("ip", ["netns", "del", name])
  }

  #inside(name: string, command: readonly string[], input = ""): string {
    return execFileSync("ip", ["netns", "exec", name, ...command], { input, encoding: "utf8" })
  }

  /** Namespaces of test runs that were killed: their names hold the process that made them. */
  #sweep(): void {
    const listed = execFileSync("ip", ["netns", "list"], { encoding: "utf8" })
    for (const [, name, pid] of listed.matchAll(/^(p[gw](\d+))\b/gm)) {
      if (name !== undefined && !existsSync(`/proc/${pid}`)) execFileSync("ip", ["netns", "del", name])
    }
  }
}
