import { beforeEach, describe, expect, it } from "vitest"
import { proveWall } from "../../../review/verify-wall.ts"
import { kernelProblem, loadRuleset, secondTable as table, wallOpenedBy, wallWith } from "./load-ruleset.ts"

const GATEWAY_RULE = "ip daddr 10.0.2.100 tcp dport 3128"
const OUTPUT_GATEWAY = `${GATEWAY_RULE} goto gateway`
const CAPTURE_RULE = `meta skuid 990 ct state new,established accept comment "the one way out"`
const AT_OUTPUT = "type filter hook output priority filter; policy drop;"
const REFUSE_OTHERS = `meta skuid 0-4294967295 goto refuse comment "anybody else"`
const FORWARD = /\tchain forward \{[^}]*\}\n/
const WIRE = /\tchain wire \{[^}]*\}\n/

const broken: readonly (readonly [string, () => string, string, RegExp])[] = [
  ["a missing forward hook", () => wallWith({}).replace(FORWARD, ""), "forwarded", /in by eth0.*out by eth0/],
  [
    "an accept before the uid match",
    () => wallWith({ [OUTPUT_GATEWAY]: `${GATEWAY_RULE} accept\n${OUTPUT_GATEWAY}` }),
    "leaves",
    /TCP.*10\.0\.2\.100 port 3128, by uid 1000/,
  ],
  [
    "IPv6 left open",
    () => wallOpenedBy("meta nfproto ipv6 accept"),
    "leaves",
    /^IPv6 TCP.*by uid 1000.*out by eth0/,
  ],
  [
    "an established rule that is too wide",
    () => wallOpenedBy("ct state established,related accept"),
    "leaves",
    /to 93\.184\.216\.34.*by uid 1000.*connection established/,
  ],
  [
    "a second table of a later priority that changes the address",
    () =>
      wallWith(
        {},
        table(
          "ip",
          "type filter hook postrouting priority 10; ip daddr 10.0.2.100 ip daddr set 93.184.216.34;",
        ),
      ),
    "leaves",
    /to 10\.0\.2\.100 port 3128, by uid 990/,
  ],
  [
    "a second table of an earlier priority that translates the address",
    () =>
      wallWith(
        {},
        table(
          "ip",
          "type nat hook output priority -150; ip daddr 10.0.2.100 tcp dport 3128 dnat to 10.0.2.2;",
        ),
      ),
    "cannot leave",
    /to 10\.0\.2\.100 port 3128, by uid 990/,
  ],
  [
    "a second table of an earlier priority that takes redirected calls for itself",
    () => wallWith({}, table("ip", "type nat hook output priority -150; tcp dport 80 redirect to :8080;")),
    "diverted",
    /port 80, by uid 1000/,
  ],
  [
    "a jump that returns",
    () =>
      wallWith(
        { [REFUSE_OTHERS]: "jump screen" },
        `table inet stereo {\n chain screen {\n meta skuid 1000 return\n meta skuid 0-4294967295 goto refuse\n }\n}\n`,
      ).replace("chain gateway {", "chain screen {\n}\nchain gateway {"),
    "leaves",
    /10\.0\.2\.100 port 3128, by uid 1000.*connection established/,
  ],
  [
    "a set with one element too many",
    () => wallWith({}).replaceAll(GATEWAY_RULE, "ip daddr { 10.0.2.100, 10.0.2.2 } tcp dport 3128"),
    "leaves",
    /to 10\.0\.2\.2 port 3128, by uid 990/,
  ],
  [
    "a named set with one element too many",
    () =>
      wallWith({
        "chain intercept {":
          "set gates { type ipv4_addr . inet_service; elements = { 10.0.2.100 . 3128, 10.0.2.100 . 3129 }\n}\nchain intercept {",
      }).replaceAll(GATEWAY_RULE, "ip daddr . tcp dport @gates"),
    "leaves",
    /10\.0\.2\.100 port 3129/,
  ],
  [
    "a policy of accept",
    () =>
      wallWith({
        [AT_OUTPUT]: AT_OUTPUT.replace("drop", "accept"),
        "\t\tgoto refuse\n\t}\n\n\tchain gateway": "\t}\n\n\tchain gateway",
      }).replace(WIRE, ""),
    "leaves",
    /to 93\.184\.216\.34 port 53, by uid 1000|to 93\.184\.216\.34 port 443/,
  ],
  [
    "an inverted match",
    () => wallWith({ [CAPTURE_RULE]: CAPTURE_RULE.replace("skuid 990", "skuid != 990") }),
    "leaves",
    /10\.0\.2\.100 port 3128, by uid 1000/,
  ],
  [
    "an egress hook of a network device that changes the address",
    () =>
      wallWith(
        {},
        table("netdev", `type filter hook egress device "eth0" priority 0; ip daddr set 93.184.216.34;`),
      ),
    "leaves",
    /10\.0\.2\.100 port 3128, by uid 990/,
  ],
  [
    "an egress hook of a network device that drops the proxy",
    () =>
      wallWith({}, table("netdev", `type filter hook egress device "eth0" priority 0; tcp dport 3128 drop;`)),
    "cannot leave",
    /uid 990/,
  ],
  [
    "a table of the family ip in place of inet",
    () =>
      wallWith({})
        .replaceAll("inet stereo", "ip stereo")
        .replaceAll(/\t\tmeta nfproto ipv6[^\n]*\n/g, ""),
    "leaves",
    /^IPv6 TCP/,
  ],
  [
    "connections that are not tracked",
    () =>
      `${wallOpenedBy("ct state untracked accept")}${table("ip", "type filter hook output priority -300; udp dport 53 notrack;")}`,
    "leaves",
    /by uid 1000.*out by eth0/,
  ],
  [
    "an interface that is not lo",
    () => wallOpenedBy(`oifname "eth1" accept`),
    "leaves",
    /by uid 1000, out by eth1/,
  ],
  [
    "a wildcard of interfaces",
    () => wallOpenedBy(`oifname "tun*" accept`),
    "leaves",
    /by uid 1000, out by any other interface tun…/,
  ],
  [
    "a range of uids that is one too large",
    () => wallWith({ [CAPTURE_RULE]: CAPTURE_RULE.replace("skuid 990", "skuid 990-991") }),
    "leaves",
    /by uid 991/,
  ],
  [
    "a range of ports",
    () => wallWith({}).replaceAll(GATEWAY_RULE, "ip daddr 10.0.2.100 tcp dport 3128-3129"),
    "leaves",
    /10\.0\.2\.100 port 3129, by uid 990/,
  ],
  [
    "a map to the wrong port",
    () =>
      wallWith({
        "tcp dport 80 redirect to :3180":
          "meta l4proto tcp redirect to :tcp dport map { 80 : 3180, 443 : 3444 }",
      }),
    "diverted",
    /port 443, by uid 1000/,
  ],
  [
    "a verdict map with one key too many",
    () => wallOpenedBy("meta l4proto vmap { icmp : accept, tcp : continue }"),
    "leaves",
    /^IPv4 ICMP/,
  ],
  [
    "a gateway chain that nobody jumps to",
    () => wallWith({ [OUTPUT_GATEWAY]: "counter" }),
    "cannot leave",
    /uid 990/,
  ],
  [
    "a socket bound to the card that sends to 127.0.0.1",
    () => wallWith({}).replace(WIRE, ""),
    "leaves",
    /out by eth0, from a socket bound to that interface/,
  ],
  [
    "an input rule that takes any answer",
    () => wallWith({ "iif lo ct state established,related accept": "ct state established,related accept" }),
    "arrives",
    /in by eth0/,
  ],
  [
    "an accept behind a continue, which ends no rule",
    () => wallOpenedBy("continue accept"),
    "leaves",
    /to 93\.184\.216\.34.*by uid 1000/,
  ],
  [
    "an accept behind a verdict map that goes on",
    () => wallOpenedBy("meta l4proto vmap { udp : continue } accept"),
    "leaves",
    /^IPv4 UDP.*by uid 1000/,
  ],
  [
    "an interface whose name looks like the model's own",
    () => wallOpenedBy(`oifname "~" drop\noifname != { "lo", "eth0" } accept`),
    "leaves",
    /by uid 1000, out by any other interface/,
  ],
  [
    "a proxy that may begin connections inside",
    () =>
      wallWith({
        [`meta skuid 990 goto refuse_inside comment "the proxy begins nothing in here: it would be a way round"`]:
          "counter",
      }),
    "begun inside",
    /to 127\.0\.0\.1.*by uid 990/,
  ],
]

describe("the proof, of rulesets that a kernel has loaded", () => {
  beforeEach((context) => {
    if (kernelProblem) context.skip(kernelProblem)
  })

  it.each(broken)("finds %s, with a packet that shows it", (_name, wall, promise, packet) => {
    const proof = proveWall(loadRuleset(wall()))
    expect(proof.verdict).toBe("broken")
    const found = proof.breaches.filter((breach) => breach.promise === promise)
    expect(found.map((breach) => breach.packet).join("\n")).toMatch(new RegExp(packet, "m"))
    expect(found.every((breach) => breach.path.length > 0)).toBe(true)
  })
})
