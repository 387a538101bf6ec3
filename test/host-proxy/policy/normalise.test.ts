import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { GuestHead } from "../../../host-proxy/exchange.ts"
import { normaliseRequest } from "../../../host-proxy/policy/normalise.ts"

const PLAIN = { exchange: null, process: null, sni: null, session: null }

function head(change: Partial<GuestHead> = {}): GuestHead {
  return {
    method: "GET",
    scheme: "https",
    authority: "api.example.com",
    target: "/v1/items?q=1",
    headers: [],
    claims: PLAIN,
    ...change,
  }
}

function ruleOf(change: Partial<GuestHead>): string {
  const result = normaliseRequest(head(change))
  return "refusal" in result ? result.refusal.rule : "accepted"
}

describe("normaliseRequest", () => {
  it("gives the one spelling that rules are written in", () => {
    expect(normaliseRequest(head({ authority: "API.Example.COM:8443" }))).toEqual({
      request: {
        ...{ scheme: "https", host: "api.example.com", port: 8443, method: "GET", path: "/v1/items" },
        ...{ query: "q=1", websocket: false },
      },
    })
    expect(normaliseRequest(head({ scheme: "http" }))).toMatchObject({ request: { port: 80 } })
  })

  it.each([
    ...[
      "127.0.0.1",
      "127.0.0.1:443",
      "127.1",
      "127.0.1",
      "2130706433",
      "0x7f000001",
      "0177.0.0.1",
      "0x7f.1",
      "0",
    ],
    ...[
      "017700000001",
      "0x7F.0x0.0x0.0x1",
      "0x",
      "169.254.169.254",
      "2852039166",
      "0xa9fea9fe",
      "0251.0376.0251.0376",
    ],
    ...[
      "168.63.129.16",
      "100.100.100.200",
      "192.0.0.192",
      "255.255.255.255",
      "224.0.0.1",
      "8.8.8.8",
      "1.2.3.4.",
    ],
    ...["[::1]", "[::1]:443", "::1", "[::]", "[::ffff:10.0.0.1]", "[::127.0.0.1]", "[64:ff9b::a9fe:a9fe]"],
    ...[
      "[64:ff9b:1::a9fe:a9fe]",
      "[2002:a9fe:a9fe::]",
      "[2001:0:4136:e378::1]",
      "[fe80::1%25eth0]",
      "[fec0::1]",
    ],
    ...["[fd00:ec2::254]", "[2a00::5efe:a00:1]", "[2001:10::1]", "[ff02::1]", "2606:4700:4700::1111"],
    ...["evil.example.1", "a.0x10", "a.0x", "a:b:c", "256.256.256.256", "1.1.1.1.1"],
  ])("refuses the address %s in whatever spelling", (authority) => {
    expect(ruleOf({ authority })).toBe("egress/ip-literal")
  })

  it.each([
    "api.example.com.",
    "localhost",
    "api..example.com",
    ".example.com",
    "api_x.example.com",
    "a b.example.com",
    "user@api.example.com",
    "api.example.com@evil.com",
    "api.example.com\0.evil.com",
    ...["①.example.com", "①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.０.０.１"],
    "apı.example.com",
    "api.example.com:",
    "api.example.com:0",
    "api.example.com:99999",
    "api.example.com:+443",
    "-a.example.com",
    "%61pi.example.com",
    `${"a".repeat(64)}.example.com`,
    "",
  ])("refuses the host %j", (authority) => {
    expect(ruleOf({ authority })).toBe("egress/bad-host")
  })

  it.each([
    "metadata.google.internal",
    "printer.local",
    "a.localhost",
    "abc.onion",
    "1.0.0.127.in-addr.arpa",
  ])("refuses %s: such names lie under the floor, whatever rules say", (authority) =>
    expect(ruleOf({ authority })).toBe("egress/floor"),
  )

  it.each([
    "/v1/../admin",
    "/v1/./x",
    "/v1/..",
    "/v1/%2e%2e/admin",
    "/v1/%2E%2e/admin",
    "/v1/%252e%252e/x",
    "/a%252fb",
    "/a%25252Fb",
    "/a%2f%2fb",
    "/%2fb",
    "/a/%2fb",
    "/a%2f..%2fb",
    "/a%2f.",
    "/a%5cb",
    "/a%255cb",
    "/a%2500",
    "/a\\b",
    "//evil",
    "/a//b",
    "/a%00",
    "/a%zz",
    "/a%",
    "v1",
    "",
    "*",
    "/a b",
    "/ä",
    "/a\tb",
    "/a#b",
    "/v1/..;/admin",
    "http://other/",
  ])("refuses the path %j", (target) => {
    expect(ruleOf({ target })).toBe("egress/bad-path")
  })

  it("lets a slash that is encoded once go on to the decision, as it came", () => {
    const target = "/@scope%2Fname"
    expect(normaliseRequest(head({ target }))).toMatchObject({ request: { path: target } })
  })

  it("leaves the query alone, dots and slashes in it too", () => {
    expect(ruleOf({ target: "/v1/items?next=/a/../b%2fc" })).toBe("accepted")
  })

  it("refuses a Host header or a TLS name that says otherwise", () => {
    expect(ruleOf({ headers: [["host", "evil.example.com"]] })).toBe("egress/host-mismatch")
    const twice = [
      ["host", "api.example.com"],
      ["host", "api.example.com"],
    ] as const
    expect(ruleOf({ headers: twice })).toBe("egress/host-mismatch")
    expect(ruleOf({ headers: [["host", "API.example.com"]] })).toBe("accepted")
    expect(ruleOf({ claims: { ...PLAIN, sni: "evil.example.com" } })).toBe("egress/sni-mismatch")
    expect(ruleOf({ claims: { ...PLAIN, sni: "API.example.com" } })).toBe("accepted")
  })

  it("accepts no authority but plain names, whatever is tried", () => {
    const piece = fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 8 }),
      fc.constantFrom(".", ":", "@", "[", "%", "\0", "api.example.com", "127.1", "0x"),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => {
        const result = normaliseRequest(head({ authority: pieces.join("") }))
        if ("refusal" in result) return
        expect(result.request.host).toMatch(
          /^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z-][a-z0-9-]*$/,
        )
        // the platform's own URL parser must see the same host and no address
        expect(new URL(`https://${pieces.join("")}/`).hostname).toBe(result.request.host)
      }),
      { numRuns: 3000, seed: 7 },
    )
  })

  it.each([
    "x-http-method-override",
    "x_http_method_override",
    "x-original_url",
    "x-original-url",
    "x-rewrite-url",
    "x-forwarded-host",
  ])("refuses the header %s, by which a server may take another request for the one decided on", (name) =>
    expect(ruleOf({ headers: [[name, "/v1/files"]] })).toBe("egress/override"),
  )

  it("refuses a fragment, in the query too", () => {
    expect(ruleOf({ target: "/v1/items?a#/../files" })).toBe("egress/bad-path")
  })

  it("accepts no path that a URL parser would change", () => {
    const piece = fc.oneof(
      fc.string({ maxLength: 6 }),
      fc.constantFrom("/", "..", ".", "%2e", "%2F", "\\", "//", "%5c", ";"),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const result = normaliseRequest(head({ target: `/${pieces.join("")}` }))
        if ("refusal" in result) return
        expect(new URL(`https://a.b${result.request.path}`).pathname).toBe(result.request.path)
      }),
      { numRuns: 3000, seed: 7 },
    )
  })
})
