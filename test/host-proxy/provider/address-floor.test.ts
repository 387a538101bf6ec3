import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { isBelowFloor, lookupAboveFloor } from "../../../host-proxy/provider/address-floor.ts"
import { DEFAULT_TIMEOUTS, explainFailure, openOutbound } from "../../../host-proxy/provider/outbound.ts"
import { openFakeProvider } from "../../fakes/provider.ts"

describe("the address floor", () => {
  it.each([
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.2.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "168.63.129.16",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "198.18.0.1",
    "198.19.255.255",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "::1",
    "::",
    "fe80::1",
    "fd00:ec2::254",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001::1",
    "2001:db8::1",
    "100::1",
    "fe80::1%eth0",
    "not an address",
    "",
  ])("holds back %s", (address) => {
    expect(isBelowFloor(address)).toBe(true)
  })

  it.each(["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111", "2a00:1450::1"])(
    "lets %s through",
    (address) => {
      expect(isBelowFloor(address)).toBe(false)
    },
  )

  it("holds back every private IPv4 address in every IPv6 wrapping", () => {
    fc.assert(
      fc.property(fc.nat(0xff_ff_ff), (rest) => {
        const [a, b, c] = [rest >> 16, (rest >> 8) & 255, rest & 255]
        for (const wrap of ["::ffff:", "::", "64:ff9b::"])
          expect(isBelowFloor(`${wrap}10.${a}.${b}.${c}`)).toBe(true)
      }),
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
