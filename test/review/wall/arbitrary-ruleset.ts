/** Small rulesets of the understood fragment, as nft reads them, and single packets to try them with. */

import fc from "fast-check"

const address = fc.constantFrom(
  "10.77.0.2",
  "10.77.0.3",
  "10.77.0.0/30",
  "10.77.0.0/24",
  "127.0.0.0/8",
  "{ 10.77.0.2, 10.77.0.4 }",
)
const port = fc.constantFrom("53", "80", "80-90", "{ 53, 443 }", "!= 80", ">= 100", "< 81")
const uid = fc.constantFrom("990", "1000", "!= 1000", "{ 0, 990 }", "990-1001", "< 1000")

const match = fc.oneof(
  fc.tuple(fc.constantFrom("", "!= "), address).map(([sign, value]) => `ip daddr ${sign}${value}`),
  fc.tuple(fc.constantFrom("tcp", "udp", "th"), port).map(([proto, value]) => `${proto} dport ${value}`),
  uid.map((value) => `meta skuid ${value}`),
  fc.constantFrom(
    "meta l4proto tcp",
    "meta l4proto != tcp",
    "meta l4proto { udp, icmp }",
    "meta nfproto ipv4",
    "meta nfproto ipv6",
  ),
  fc.constantFrom(
    `oifname "lo"`,
    `oifname != "eth0"`,
    `oif lo`,
    `oifname "eth*"`,
    `iifname "lo"`,
    `oif != lo`,
  ),
  fc.constantFrom(
    "ct state new",
    "ct state != new",
    "ct state established,related",
    "ct state { new, untracked }",
    "ct state invalid",
  ),
  fc.constantFrom(
    "meta mark 0",
    "meta mark 7",
    "meta mark != 7",
    "ip daddr . tcp dport { 10.77.0.2 . 80, 10.77.0.3 . 53 }",
  ),
  fc.constantFrom("ip protocol udp", "ip6 daddr ::1", "ct direction original", "ip saddr 10.77.0.1"),
)
const verdict = fc.constantFrom(
  "accept",
  "drop",
  "return",
  "jump one",
  "goto one",
  "counter",
  "reject",
  "meta mark set 7",
  "continue",
)
const map = fc.constantFrom(
  "tcp dport vmap { 80 : accept, 53 : drop, 443 : jump one }",
  "meta l4proto vmap { tcp : goto two, udp : continue }",
  "meta skuid vmap { 990 : accept, 1000-1001 : return }",
)
/** What makes no sense in the inner chains is left out there, so that no chain calls itself. */
const rule = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.array(match, { maxLength: 2 }), verdict)
      .map(([matches, end]) => [...matches, end].join(" ")),
  },
  { weight: 1, arbitrary: map },
)
const innerRule = fc
  .tuple(
    fc.array(match, { maxLength: 2 }),
    fc.constantFrom("accept", "drop", "return", "jump two", "counter"),
  )
  .map(([matches, end]) => [...matches, end].join(" "))
const lastRule = fc.tuple(match, fc.constantFrom("accept", "drop", "return")).map((parts) => parts.join(" "))
const rules = (of: fc.Arbitrary<string>) => fc.array(of, { maxLength: 4 }).map((lines) => lines.join("\n"))
const policy = fc.constantFrom("accept", "drop")
const nat = fc.constantFrom(
  "redirect to :3180",
  "dnat ip to 10.77.0.3",
  "dnat ip to 10.77.0.3:53",
  "accept",
  "return",
)
const natRule = fc
  .tuple(match, fc.constantFrom("tcp dport 80", "udp dport 53", "tcp dport 53"), nat)
  .map((parts) => parts.join(" "))

export const arbitraryRuleset: fc.Arbitrary<string> = fc
  .record({
    ...{
      output: rules(rule),
      second: rules(rule),
      wire: rules(rule),
      one: rules(innerRule),
      two: rules(lastRule),
    },
    ...{
      nat: rules(natRule),
      outputPolicy: policy,
      wirePolicy: policy,
      early: fc.boolean(),
      untrack: fc.boolean(),
    },
    natPriority: fc.constantFrom(-150, -100, 50),
  })
  .map((parts) =>
    [
      "table inet t {",
      `chain two {\n${parts.two}\n}`,
      `chain one {\n${parts.one}\n}`,
      `chain output {\ntype filter hook output priority 0; policy ${parts.outputPolicy};\n${parts.output}\n}`,
      `chain second {\ntype filter hook output priority ${parts.early ? -150 : 20};\n${parts.second}\n}`,
      // reject is not for that hook
      `chain wire {\ntype filter hook postrouting priority 0; policy ${parts.wirePolicy};\n${parts.wire.replaceAll("reject", "drop")}\n}`,
      parts.untrack ? "chain raw {\ntype filter hook output priority -300;\nudp dport 53 notrack\n}" : "",
      "}",
      `table inet n {\nchain n {\ntype nat hook output priority ${parts.natPriority};\n${parts.nat}\n}\n}`,
    ].join("\n"),
  )
