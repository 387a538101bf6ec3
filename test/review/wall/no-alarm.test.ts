import { beforeEach, describe, expect, it } from "vitest"
import { proveWall } from "../../../review/verify-wall.ts"
import { kernelProblem, loadRuleset, secondTable as table, wallOpenedBy, wallWith } from "./load-ruleset.ts"

const AT_OUTPUT = "type filter hook output priority filter; policy drop;"

const proven: readonly (readonly [string, () => string])[] = [
  ["the wall as it is", () => wallWith({})],
  ["another comment", () => wallWith({ "the one way out": "the only way out, and nothing else \\ ; drop" })],
  [
    "an open chain that nobody jumps to",
    () => wallWith({ "chain gateway {": "chain unused {\n accept\n}\nchain gateway {" }),
  ],
  [
    "an earlier table that accepts: a later one still sees the packet",
    () => wallWith({}, table("inet", "type filter hook output priority -10; accept;")),
  ],
  [
    "a later table that accepts what is left",
    () => wallWith({}, table("inet", "type filter hook output priority 10; policy accept;")),
  ],
  [
    "IPv6 open in one of the two chains that it must pass",
    () => wallOpenedBy("meta nfproto ipv6 accept", "counter"),
  ],
  [
    "another priority of the nat chain, which the kernel takes at its own place anyhow",
    () => wallWith({ "type nat hook output priority -100": "type nat hook output priority 50" }),
  ],
]

const notProven: readonly (readonly [string, () => string, RegExp])[] = [
  ["a limit", () => wallOpenedBy("limit rate 1/second accept"), /limit/],
  ["a route lookup", () => wallOpenedBy("fib daddr type local accept"), /fib/],
  ["a mask", () => wallOpenedBy("meta mark & 0xff == 5 accept"), /mark/],
  [
    "a set that packets add to",
    () =>
      wallWith({
        "chain intercept {": "set seen { type ipv4_addr; flags dynamic; size 9;\n}\nchain intercept {",
        [AT_OUTPUT]: `${AT_OUTPUT}\nadd @seen { ip daddr }`,
      }),
    /seen/,
  ],
  [
    "a packet sent on to another device",
    () => wallWith({}, table("netdev", `type filter hook egress device "eth0" priority 0; fwd to "lo";`)),
    /fwd/,
  ],
  [
    "a counter that is looked up: the rule ends where the map has none",
    () =>
      wallOpenedBy("counter name ip daddr map @m drop\naccept").replace(
        "chain intercept {",
        'counter one {\n}\nmap m { type ipv4_addr : counter; elements = { 1.2.3.4 : "one" }\n}\nchain intercept {',
      ),
    /counter map/,
  ],
  [
    "a priority that is looked up",
    () => wallOpenedBy("meta priority set ip daddr map { 1.2.3.4 : 1:1 } drop"),
    /priority set/,
  ],
  ["a mark that is read from the connection", () => wallOpenedBy("meta mark set ct mark drop"), /mark set/],
  [
    "an interface that is named like a set",
    () =>
      wallOpenedBy(`oifname "@x" accept`).replace(
        "chain intercept {",
        'set x { type ifname; elements = { "nowhere" }\n}\nchain intercept {',
      ),
    /oifname @x/,
  ],
  ["an interface with a star in its name", () => wallOpenedBy(`oifname "tun\\*" drop`), /oifname tun/],
  ["an index that no interface has", () => wallOpenedBy("oif 77 accept"), /oif 77/],
  [
    "overlapping keys of a map, of which the first one added counts",
    () =>
      wallOpenedBy("ip daddr . tcp dport vmap @m").replace(
        "chain intercept {",
        "map m { type ipv4_addr . inet_service : verdict; flags interval; elements = { 10.0.0.3-10.0.0.5 . 50 : accept, 10.0.0.0/8 . 1-100 : drop }\n}\nchain intercept {",
      ),
    /vmap @m/,
  ],
  [
    "a bridge's chain",
    () => wallWith({}, table("bridge", "type filter hook forward priority 0;")),
    /family bridge/,
  ],
  ["an ARP chain", () => wallWith({}, table("arp", "type filter hook output priority 0;")), /family arp/],
]

describe("the proof, of what is no fault and of what nobody can tell", () => {
  beforeEach((context) => {
    if (kernelProblem) context.skip(kernelProblem)
  })

  it.each(proven)("raises no alarm over %s", (_name, wall) => {
    const { verdict, breaches, notProven: open } = proveWall(loadRuleset(wall()))
    expect({ verdict, breaches, open }).toEqual({ verdict: "proven", breaches: [], open: [] })
  })

  it.each(notProven)("says of %s where it stands and that it is not proven", (_name, wall, what) => {
    const proof = proveWall(loadRuleset(wall()))
    expect(proof.verdict).toBe("not proven")
    expect(proof.notProven.map((one) => `${one.where}: ${one.what}`).join("\n")).toMatch(what)
  })

  it.each([
    ["the wall", "inet", "broken"],
    ["a table that would let everything through", "ip", "proven"],
  ])("knows that %s takes no packet when it is switched off", (_name, family, verdict) => {
    const listing = loadRuleset(
      wallWith({}, table("ip", "type nat hook output priority -150; dnat to 10.0.2.2;")).replace(
        family === "inet" ? "table inet stereo {\n\tcounter" : "table ip second {",
        (found) => found.replace("{", "{ flags dormant;"),
      ),
    )
    // nft of Debian 12 prints another word for it, that of the images "dormant"
    const flagged = listing.nftables.flatMap((entry) =>
      Object(entry["table"])["flags"] ? [Object(entry["table"])] : [],
    )
    expect(flagged).toHaveLength(1)
    for (const table of flagged) table.flags = "dormant"
    expect(proveWall(listing).verdict).toBe(verdict)
    for (const table of flagged) table.flags = "unheard-of"
    expect(proveWall(listing).verdict).not.toBe("proven")
  })

  it("comes to an end over sets that cut the space into more pieces than can be told", {
    timeout: 30_000,
  }, () => {
    const listing = loadRuleset(wallWith({}))
    const range = (low: number, high: number) => ({ range: [low, high] })
    const elem = Array.from({ length: 3000 }, (_, index) => {
      const [low, high] = [index * 7919, index * 104_729].map((one) => one % 30_000) as [number, number]
      const wide = range(low, 30_000 + high)
      return { concat: [wide, range(high, 30_000 + low), range(index, 40_000 + low), wide] }
    })
    const ports = ["sport", "dport"].map((field) => ({ payload: { protocol: "tcp", field } }))
    const left = { concat: [...ports, { meta: { key: "skuid" } }, { meta: { key: "mark" } }] }
    const place = { family: "inet", table: "stereo" }
    const expr = [{ match: { op: "==", left, right: "@big" } }, { drop: null }]
    listing.nftables.push({ set: { ...place, name: "big", elem } })
    const first = listing.nftables.findIndex((entry) => Object(entry["rule"])["chain"] === "output")
    listing.nftables.splice(first, 0, { rule: { ...place, chain: "output", expr } })
    const proof = proveWall(listing)
    expect(proof.verdict).not.toBe("proven")
    expect(proof.notProven.map(({ what }) => what).join()).toMatch(/too large/)
  })

  it("finds a certain breach beside what it does not understand", () => {
    const proof = proveWall(loadRuleset(wallOpenedBy("limit rate 1/second counter\n udp dport 53 accept")))
    expect(proof.verdict).toBe("broken")
    expect(proof.breaches[0]?.packet).toMatch(/UDP.*port 53/)
    expect(proof.notProven.some(({ what }) => what.startsWith("limit"))).toBe(true)
  })

  it("reports a flowtable, which packets take past the forward hook", () => {
    const listing = loadRuleset(wallWith({}))
    listing.nftables.push({
      flowtable: { family: "inet", name: "f", table: "stereo", hook: "ingress", prio: 0, dev: "eth0" },
    })
    expect(proveWall(listing)).toMatchObject({ verdict: "not proven", breaches: [] })
    const flow = {
      family: "inet",
      table: "stereo",
      chain: "forward",
      handle: 1,
      expr: [{ flow: { op: "add", flowtable: "@f" } }],
    }
    const first = listing.nftables.findIndex((entry) => "rule" in entry)
    listing.nftables.splice(first, 0, { rule: flow })
    const proof = proveWall(listing)
    expect(proof.verdict).toBe("not proven")
    expect(proof.notProven.map(({ what }) => what).join()).toMatch(/flowtable.*flow/)
  })
})
