import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { toHttp1Headers, toHttp2Headers } from "../../guest-agent/capture/headers.ts"
import { parseSocketTable } from "../../guest-agent/capture/socket-table.ts"
import { parseConnectTarget, parseTarget } from "../../guest-agent/capture/target.ts"

const request = (url: string, ...hosts: readonly string[]) => ({
  url,
  rawHeaders: hosts.flatMap((host) => ["Host", host]),
})

describe("what a request is for", () => {
  it.each([
    ["/a?b", "API.example.com", { authority: "api.example.com", path: "/a?b" }],
    ["/", "api.example.com:8443", { authority: "api.example.com:8443", path: "/" }],
    ["*", "api.example.com", { authority: "api.example.com", path: "*" }],
    ["/%2e%2e//x", "1.2.3.4", { authority: "1.2.3.4", path: "/%2e%2e//x" }],
    ["http://a.example/x?y", "a.example", { authority: "a.example", path: "/x?y" }],
    ["http://a.example", "a.example", { authority: "a.example", path: "/" }],
    ["http://a.example?y", "a.example", { authority: "a.example", path: "/?y" }],
  ])("reads %s with Host: %s", (url, host, wanted) => {
    expect(parseTarget(request(url, host), "http", "origin")).toEqual({ scheme: "http", ...wanted })
  })

  it.each([
    ["a user", "/", ["a@b.example"]],
    ["a space", "/", ["a.example b.example"]],
    ["a slash", "/", ["a.example/b"]],
    ["nothing", "/", [""]],
    ["a port that is no number", "/", ["a.example:x"]],
    ["an escape", "/", ["a%2eexample"]],
    ["two of them", "/", ["a.example", "a.example"]],
    ["none of them", "/", []],
    ["another name than the target", "http://a.example/", ["b.example"]],
    ["a name that the target hides behind a user", "http://b.example@a.example/", ["b.example"]],
    ["a target of another scheme", "ftp://a.example/", ["a.example"]],
    ["a target of https on a plain connection", "https://a.example/", ["a.example"]],
    ["a target without a slash", "x", ["a.example"]],
  ])("refuses a Host of %s", (_name, url, hosts) => {
    expect(parseTarget(request(url, ...hosts), "http", "origin")).toHaveProperty("problem")
  })

  it.each([
    "a.example",
    "a.example:",
    "a.example:x",
    "u@a.example:443",
    "http://a.example:443",
    ":443",
    "a.example:443/x",
  ])("refuses CONNECT %s", (url) => {
    expect(parseConnectTarget(url)).toHaveProperty("problem")
  })

  it("passes no character on in an authority that could mean something to a parser behind", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (host) => {
        const target = parseTarget(request("/", host), "http", "origin")
        expect("problem" in target || /^[a-z0-9._:[\]-]+$/.test(target.authority)).toBe(true)
      }),
    )
  })
})

describe("headers between the hops", () => {
  it("keeps every value of a repeated header, in order", () => {
    expect(toHttp2Headers(["X-A", "1", "B", "2", "x-a", "3"])).toEqual({ "x-a": ["1", "3"], b: "2" })
  })

  it("passes on headers whose names are those of every object's properties", () => {
    const passed = toHttp2Headers(["Constructor", "1", "__proto__", "2", "toString", "3"])
    expect(Object.entries(passed)).toEqual([
      ["constructor", "1"],
      ["__proto__", "2"],
      ["tostring", "3"],
    ])
  })

  it("drops what Connection names, however it is written", () => {
    expect(toHttp2Headers(["Connection", "keep-alive, X-One", "x-one", "1", "X-Two", "2"])).toEqual({
      "x-two": "2",
    })
  })

  it("lets no claim of the client pass as the proxy's", () => {
    expect(toHttp2Headers(["Stereo-Process", "1 /bin/sh", "STEREO-SNI", "a"])).toEqual({})
  })

  it("keeps order and number on the way back", () => {
    expect(toHttp1Headers([":status", "200", "set-cookie", "a", "x", "1", "set-cookie", "b"])).toEqual([
      "set-cookie",
      "a",
      "x",
      "1",
      "set-cookie",
      "b",
    ])
  })
})

describe("the kernel's table of sockets", () => {
  const TABLE = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0C6B 00000000:0000 0A 00000000:00000000 00:00000000 00000000   990        0 1111 1 0000000000000000 100 0 0 10 0
   1: 0F02000A:D431 0A0012C6:01BB 01 00000000:00000000 02:000004A6 00000000  1000        0 2222 2 0000000000000000 20 4 30 10 -1
`
  it("tells where a redirected client meant to go, and whose socket it is", () => {
    expect(parseSocketTable(TABLE, "10.0.2.15", 0xd431)).toEqual({
      address: "198.18.0.10",
      port: 443,
      uid: 1000,
      inode: "2222",
    })
  })

  it("knows nothing of a socket that is gone", () => {
    expect(parseSocketTable(TABLE, "10.0.2.15", 1)).toBeNull()
  })
})
