import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isBelowFloor, lookupAboveFloor } from "../../../host-proxy/provider/address-floor.ts"
import { DEFAULT_TIMEOUTS, explainFailure, openOutbound } from "../../../host-proxy/provider/outbound.ts"
import { openFakeProvider } from "../../fakes/provider.ts"

describe("the address floor", () => {
  it.each([
    ["loopback", "127.0.0.1"],
    ["the end of loopback", "127.255.255.254"],
    ["this host", "0.0.0.0"],
    ["this network", "0.1.2.3"],
    ["private 10/8, where QEMU's user network is", "10.0.2.2"],
    ["private 172.16/12, its first", "172.16.0.1"],
    ["private 172.16/12, its last", "172.31.255.255"],
    ["private 192.168/16", "192.168.1.1"],
    ["link local", "169.254.0.1"],
    ["metadata of AWS, Azure, GCP and others", "169.254.169.254"],
    ["credentials of AWS containers", "169.254.170.2"],
    ["metadata of Tencent", "169.254.0.23"],
    ["Azure's wire server", "168.63.129.16"],
    ["carrier-grade NAT", "100.64.0.1"],
    ["metadata of Alibaba", "100.100.100.200"],
    ["metadata of Oracle", "192.0.0.192"],
    ["DS-Lite", "192.0.0.1"],
    ["6to4 relays", "192.88.99.1"],
    ["AS112", "192.31.196.1"],
    ["AMT", "192.52.193.1"],
    ["benchmarks, their first", "198.18.0.1"],
    ["benchmarks, their last", "198.19.255.255"],
    ["documentation 1", "192.0.2.1"],
    ["documentation 2", "198.51.100.1"],
    ["documentation 3", "203.0.113.1"],
    ["multicast", "224.0.0.1"],
    ["SSDP", "239.255.255.250"],
    ["reserved 240/4", "240.0.0.1"],
    ["broadcast", "255.255.255.255"],
    ["IPv6 loopback", "::1"],
    ["IPv6 loopback, long", "0:0:0:0:0:0:0:1"],
    ["the unspecified address", "::"],
    ["IPv6 link local", "fe80::1"],
    ["link local with a zone", "fe80::1%eth0"],
    ["a global address with a zone", "2606:4700:4700::1111%eth0"],
    ["site local", "fec0::1"],
    ["unique local", "fc00::1"],
    ["metadata of AWS by IPv6", "fd00:ec2::254"],
    ["metadata of GCP by IPv6", "fd20:ce::254"],
    ["IPv6 multicast", "ff02::1"],
    ["mapped loopback", "::ffff:127.0.0.1"],
    ["mapped loopback in hex", "::ffff:7f00:1"],
    ["mapped metadata, long and in capitals", "0:0:0:0:0:FFFF:A9FE:A9FE"],
    ["a mapped public address", "::ffff:8.8.8.8"],
    ["translated (SIIT) loopback", "::ffff:0:127.0.0.1"],
    ["compatible loopback", "::127.0.0.1"],
    ["compatible metadata in hex", "::a9fe:a9fe"],
    ["NAT64 of metadata", "64:ff9b::a9fe:a9fe"],
    ["NAT64 of metadata, dotted", "64:ff9b::169.254.169.254"],
    ["NAT64 for local use", "64:ff9b:1::a9fe:a9fe"],
    ["discard only", "100::1"],
    ["6to4 of loopback", "2002:7f00:1::"],
    ["6to4 of metadata", "2002:a9fe:a9fe::1"],
    ["Teredo", "2001::1"],
    ["Teredo of metadata", "2001:0:4136:e378:8000:63bf:5601:5601"],
    ["IPv6 benchmarks", "2001:2::1"],
    ["ORCHID", "2001:10::1"],
    ["ORCHIDv2", "2001:20::1"],
    ["IPv6 documentation", "2001:db8::1"],
    ["newer IPv6 documentation", "3fff::1"],
    ["the 6bone", "3ffe::1"],
    ["AS112 by IPv6", "2620:4f:8000::1"],
    ["segment routing", "5f00::1"],
    ["ISATAP of a private address", "2a00:1450:1:2:0:5efe:10.0.0.1"],
    ["ISATAP of a private address, compressed", "2a00:1450::5efe:a00:1"],
    ["ISATAP with the global bit", "2a00:1450:1:2:200:5efe:192.168.0.1"],
    ["ISATAP in capitals", "2A00:1450::5EFE:A9FE:A9FE"],
    ["ISATAP of nothing", "2a00:1450::5efe:0:0"],
    ["no address", "not an address"],
    ["a number", "2130706433"],
    ["nothing", ""],
  ])("holds back %s: %s", (_name, address) => {
    expect(isBelowFloor(address)).toBe(true)
  })

  it.each([
    ...[
      "8.8.8.8",
      "1.1.1.1",
      "172.32.0.1",
      "100.128.0.1",
      "11.0.0.1",
      "169.253.0.1",
      "192.0.1.1",
      "198.20.0.1",
    ],
    ...["2606:4700:4700::1111", "2a00:1450::1", "2001:200::1", "2a00::5efe:1:2:3", "2a00:1:2:3:1:5efe:a00:1"],
  ])("lets %s through", (address) => {
    expect(isBelowFloor(address)).toBe(false)
  })

  it("holds back every private IPv4 address in every IPv6 wrapping", () => {
    fc.assert(
      fc.property(fc.nat(0xff_ff_ff), (rest) => {
        const [a, b, c] = [rest >> 16, (rest >> 8) & 255, rest & 255]
        for (const wrap of ["::ffff:", "::", "64:ff9b::"])
          expect(isBelowFloor(`${wrap}10.${a}.${b}.${c}`)).toBe(true)
      }),
    )
  })

  it("holds back every IPv4 address in every IPv6 wrapping, whatever it is", () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV6(), (inner, other) => {
        const hex = inner.split(".").map((part) => Number(part).toString(16).padStart(2, "0"))
        const [high, low] = [hex.slice(0, 2).join(""), hex.slice(2).join("")]
        const prefix =
          other.includes("::") || other.includes(".") ? "2a00:1:2:3" : other.split(":").slice(0, 4).join(":")
        const wrapped = [
          ...[
            `::ffff:${inner}`,
            `::${inner}`,
            `64:ff9b::${inner}`,
            `64:ff9b:1::${inner}`,
            `::ffff:0:${inner}`,
          ],
          ...[`2002:${high}:${low}::1`, `2001:0:${high}:${low}::1`],
          ...[`${prefix}:0:5efe:${inner}`, `${prefix}:200:5efe:${high}:${low}`],
        ]
        expect(wrapped.filter((address) => !isBelowFloor(address))).toEqual([])
      }),
      { seed: 7 },
    )
  })

  it("fails the look-up of a name that resolves below it", async () => {
    const failure = await new Promise<Error | null>((resolve) => {
      lookupAboveFloor("localhost", { all: true }, (thrown) => resolve(thrown))
    })
    expect(failure?.message).toMatch(/localhost resolves to .* not a public address/)
  })

  it("is a structured 403 for a call to a name that resolves below it, and no byte is sent", async () => {
    await using provider = await openFakeProvider()
    await using outbound = openOutbound(DEFAULT_TIMEOUTS)
    const route = { ...ROUTE, origin: provider.url.replace("127.0.0.1", "localhost") }
    const thrown = await outbound.send(route, null, new AbortController().signal).catch((failure) => failure)
    expect(explainFailure(thrown, route)).toMatchObject({ status: 403, rule: "egress/floor" })
    expect(provider.requests).toHaveLength(0)
  })

  it.each([
    ...["127.0.0.1", "127.1.2.3", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::127.0.0.1]"],
    ...[
      "2130706433",
      "0x7f000001",
      "0177.0.0.1",
      "127.1",
      "0",
      "[fe80::1]",
      "169.254.169.254",
      "[fd00:ec2::254]",
    ],
    ...[
      "[64:ff9b::7f00:1]",
      "[2002:7f00:1::]",
      "[2a00:1450::5efe:7f00:1]",
      "168.63.129.16",
      "100.100.100.200",
    ],
  ])("opens no connection to the literal %s, should one ever get so far", async (literal) => {
    await using provider = await openFakeProvider()
    await using outbound = openOutbound({ ...DEFAULT_TIMEOUTS, connectMs: 1000 })
    const route = { ...ROUTE, origin: new URL(provider.url.replace("127.0.0.1", literal)).origin }
    const thrown = await outbound.send(route, null, new AbortController().signal).catch((failure) => failure)
    expect(explainFailure(thrown, route)).toMatchObject({ status: 403, rule: "egress/floor" })
    expect([provider.requests.length, provider.connections()]).toEqual([0, 0])
  })

  it("gives way to an upstream that the operator named", async () => {
    await using provider = await openFakeProvider()
    await using outbound = openOutbound(DEFAULT_TIMEOUTS)
    const route = { ...ROUTE, origin: provider.url, named: true }
    expect((await outbound.send(route, null, new AbortController().signal)).status).toBe(200)
  })
})

const ROUTE = {
  origin: "",
  target: "/v1/models",
  method: "GET",
  headers: [],
  provider: null,
  api: null,
  named: false,
  secret: null,
} as const
