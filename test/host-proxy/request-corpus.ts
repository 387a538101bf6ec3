/** Requests that can be read in two ways, as HTTP/2 on the egress wire: each with a name, none may leave whole. */

import { PLACEHOLDER } from "../fakes/host-lab.ts"
import type { RawPairs } from "../fakes/raw-http2.ts"

export interface CorpusCase {
  readonly name: string
  readonly pairs: RawPairs
  /** DATA frames; none: the head ends the stream. */
  readonly body?: readonly string[]
  /** nghttp2 takes the field out before anybody sees it: the request leaves, and nothing with `trace` in it. */
  readonly dropped?: true
}

const HOST = "api.anthropic.com"
const PSEUDO: RawPairs = [
  [":method", "POST"],
  [":scheme", "https"],
  [":authority", HOST],
  [":path", "/v1/messages"],
]
const CREDENTIAL: RawPairs = [["x-api-key", PLACEHOLDER]]

/** The good request, with other pseudo-headers, with more headers, with another body. */
export const PLAIN: CorpusCase = { name: "nothing odd", pairs: [...PSEUDO, ...CREDENTIAL], body: ["{}"] }

function extra(name: string, more: RawPairs, body: readonly string[] = ["{}"]): CorpusCase {
  return { name, pairs: [...PSEUDO, ...CREDENTIAL, ...more], body }
}

/** Replaces a pseudo-header; null leaves it out. */
function pseudo(
  name: string,
  change: Readonly<Record<string, string | null>>,
  more: RawPairs = [],
): CorpusCase {
  const pairs = PSEUDO.flatMap(([key, value]): RawPairs => {
    const other = change[key]
    return other === null ? [] : [[key, other ?? value]]
  })
  return { name, pairs: [...pairs, ...more, ...CREDENTIAL], body: ["{}"] }
}

/** A field that nghttp2 does not take for one. */
function dropped(name: string, pair: readonly [string, string]): CorpusCase {
  return { ...extra(name, [pair]), dropped: true }
}

const lengths = (name: string, ...values: readonly string[]) =>
  extra(
    name,
    values.map((value) => ["content-length", value] as const),
  )

export const LENGTHS: readonly CorpusCase[] = [
  lengths("two equal lengths", "2", "2"),
  lengths("two lengths that differ", "2", "3"),
  lengths("a list of lengths", "2, 2"),
  lengths("a length with a plus", "+2"),
  lengths("a length with letters behind", "2abc"),
  lengths("a hexadecimal length", "0x2"),
  lengths("a negative length", "-2"),
  lengths("a length with a leading zero", "02"),
  lengths("a length with a space before", " 2"),
  lengths("a length with a point", "2.0"),
  lengths("a length in exponents", "2e0"),
  lengths("an empty length", ""),
  lengths("a length over 2^53", "9007199254740993"),
  lengths("a length over 2^64", "18446744073709551618"),
  lengths("a length in fullwidth digits", "\xef\xbc\x92"),
  lengths("a length longer than the body", "9"),
  lengths("a length shorter than the body", "1"),
  { ...lengths("a length and no body at all", "5"), body: [] },
  extra("a length beside transfer-encoding", [
    ["content-length", "2"],
    ["transfer-encoding", "chunked"],
  ]),
]

export const HEADERS: readonly CorpusCase[] = [
  extra("transfer-encoding", [["transfer-encoding", "chunked"]]),
  extra("transfer-encoding: identity", [["transfer-encoding", "identity"]]),
  extra("connection", [["connection", "close"]]),
  extra("connection that names the credential", [["connection", "x-api-key"]]),
  extra("keep-alive", [["keep-alive", "timeout=5"]]),
  extra("proxy-connection", [["proxy-connection", "keep-alive"]]),
  extra("upgrade", [["upgrade", "h2c"]]),
  extra("http2-settings", [["http2-settings", "AAMAAABkAARAAAAAAAIAAAAA"]]),
  extra("te other than trailers", [["te", "gzip"]]),
  extra("trailer", [["trailer", "x-sum"]]),
  extra("a length with an underscore", [["content_length", "3"]]),
  extra("transfer-encoding with an underscore", [["transfer_encoding", "chunked"]]),
  extra("a credential with underscores", [["x_api_key", "sk-of-an-attacker"]]),
  extra("a name in upper case", [["X-Note", "1"]]),
  dropped("a name with a space", ["x trace", "1"]),
  dropped("a name that ends in a space", ["x-trace ", "1"]),
  dropped("a name with a colon", ["x:trace", "1"]),
  dropped("a name with NUL", ["x\0trace", "1"]),
  dropped("a name with CR and LF", ["x\r\ntrace", "1"]),
  dropped("a name over 0x7e", ["x-trace\xe9", "1"]),
  dropped("an empty name", ["", "trace"]),
  dropped("a value with CR and LF", ["x-trace", "1\r\nhost: evil.example.com"]),
  dropped("a value with LF", ["x-trace", "1\nx-other: 2"]),
  dropped("a value with NUL", ["x-trace", "1\0"]),
  dropped("a value with a fold", ["x-trace", "1\r\n 2"]),
  dropped("a value with a space before", ["x-trace", " 1"]),
  dropped("a value with a tab behind", ["x-trace", "1\t"]),
  dropped("a value with DEL", ["x-trace", "1\x7f"]),
  dropped("a value with an escape", ["x-trace", "\x1b[2J"]),
  extra("a value over 0x7e", [["x-note", "caf\xe9"]]),
  extra("two hosts", [
    ["host", HOST],
    ["host", HOST],
  ]),
  extra("a host that is not the authority", [["host", "evil.example.com"]]),
  dropped("a host over 0x7e", ["host", "trace.example.com\xe9"]),
  extra("two content-types", [
    ["content-type", "application/json"],
    ["content-type", "text/plain"],
  ]),
  extra("two credentials", [["x-api-key", PLACEHOLDER]]),
]

export const PSEUDO_HEADERS: readonly CorpusCase[] = [
  extra("a second :authority at the end", [[":authority", "evil.example.com"]]),
  { ...PLAIN, name: "two :path", pairs: [...PSEUDO, [":path", "/v1/files"], ...CREDENTIAL] },
  { ...PLAIN, name: "two equal :authority", pairs: [...PSEUDO, [":authority", HOST], ...CREDENTIAL] },
  { ...PLAIN, name: "two :method", pairs: [[":method", "GET"], ...PSEUDO, ...CREDENTIAL] },
  { ...PLAIN, name: "an unknown pseudo-header", pairs: [...PSEUDO, [":host", HOST], ...CREDENTIAL] },
  { ...PLAIN, name: ":status in a request", pairs: [...PSEUDO, [":status", "200"], ...CREDENTIAL] },
  {
    ...PLAIN,
    name: ":protocol without CONNECT",
    pairs: [...PSEUDO, [":protocol", "websocket"], ...CREDENTIAL],
  },
  pseudo("no :method", { ":method": null }),
  pseudo("no :scheme", { ":scheme": null }),
  pseudo("no :path", { ":path": null }),
  pseudo("an empty :path", { ":path": "" }),
  pseudo("no :authority, but host", { ":authority": null }, [["host", HOST]]),
  pseudo("a method in lower case", { ":method": "post" }),
  pseudo("a method with a space", { ":method": "POST /x HTTP/1.1" }),
  pseudo("a method with CR and LF", { ":method": "POST\r\nx: y" }),
  pseudo("an unknown scheme", { ":scheme": "ftp" }),
  pseudo("the scheme file", { ":scheme": "file" }),
  pseudo("a scheme in upper case", { ":scheme": "HTTPS" }),
  pseudo("CONNECT with a path", { ":method": "CONNECT" }),
  pseudo("extended CONNECT for connect-udp", { ":method": "CONNECT" }, [[":protocol", "connect-udp"]]),
  pseudo("extended CONNECT for WebSocket in upper case", { ":method": "CONNECT" }, [
    [":protocol", "WebSocket"],
  ]),
]

const authority = (name: string, value: string) => pseudo(name, { ":authority": value })

export const AUTHORITIES: readonly CorpusCase[] = [
  authority("a user in the authority", `user@${HOST}`),
  authority("a user and a password in the authority", `a:b@${HOST}`),
  authority("an at sign in percent", `user%40${HOST}`),
  authority("an empty port", `${HOST}:`),
  authority("port 0", `${HOST}:0`),
  authority("port 65536", `${HOST}:65536`),
  authority("a port with a plus", `${HOST}:+443`),
  authority("a port with a leading zero", `${HOST}:0443`),
  authority("a port in words", `${HOST}:https`),
  authority("two ports", `${HOST}:443:443`),
  authority("a trailing dot", `${HOST}.`),
  authority("a trailing dot before the port", `${HOST}.:443`),
  authority("a leading dot", `.${HOST}`),
  authority("two dots", "api..anthropic.com"),
  authority("a percent escape", "api%2eanthropic.com"),
  authority("a space", "api.anthropic.com evil.example.com"),
  authority("a slash", `${HOST}/v1`),
  authority("a backslash", `${HOST}\\@evil.example.com`),
  authority("a query", `${HOST}?x`),
  authority("a fragment", `${HOST}#x`),
  authority("NUL", `${HOST}\0.example.com`),
  authority("a comma", `${HOST},evil.example.com`),
  authority("raw UTF-8", "\xc3\xa4pi.anthropic.com"),
  authority("fullwidth dots", "api\xef\xbc\x8eanthropic\xef\xbc\x8ecom"),
  authority("an ideographic full stop", "api\xe3\x80\x82anthropic.com"),
  authority("circled digits", "\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1"),
  authority("a soft hyphen", "api\xc2\xad.anthropic.com"),
  authority("an xn-- label that no rule spells", "xn--pi-uia.anthropic.com"),
  authority("an xn-- label that is the host in disguise", "xn--api-.anthropic.com"),
  authority("an underscore", "a_pi.anthropic.com"),
  authority("one label", "localhost"),
  authority("an address", "127.0.0.1"),
  authority("an address in brackets", "[::1]"),
  authority("an address as one number", "2130706433"),
  authority("an address with a zone", "[fe80::1%25eth0]"),
  authority("a host of 254 characters", `${"a.".repeat(120)}${"b".repeat(14)}`),
  authority("an authority of 64 KiB", "a".repeat(60_000)),
]

const path = (name: string, value: string) => pseudo(name, { ":path": value })

export const PATHS: readonly CorpusCase[] = [
  path("absolute-form", `https://${HOST}/v1/messages`),
  path("absolute-form of another host", "https://evil.example.com/v1/messages"),
  path("two slashes and a host", `//evil.example.com/v1/messages`),
  pseudo("asterisk-form", { ":method": "OPTIONS", ":path": "*" }),
  path("asterisk-form of POST", "*"),
  path("a fragment", "/v1/messages#x"),
  path("a space", "/v1/messages x"),
  path("CR and LF", "/v1/messages HTTP/1.1\r\nhost: evil.example.com\r\n\r\n"),
  path("NUL", "/v1/messages\0"),
  path("a tab", "/v1/messages\t"),
  path("a backslash", "\\v1\\messages"),
  path("raw UTF-8", "/v1/messages\xc3\xa9"),
  path("dot segments", "/v1/files/../messages"),
  path("dot segments in percent", "/v1/files/%2e%2e/messages"),
  path("dot segments in percent twice", "/v1/files/%252e%252e/messages"),
  path("a slash in percent", "/v1%2fmessages"),
  path("NUL in percent", "/v1/messages%00"),
  path("a broken escape", "/v1/messages%zz"),
  path("a doubled slash", "/v1//messages"),
  path("a parameter behind a dot segment", "/v1/..;/messages"),
  path("no slash at its beginning", "v1/messages"),
  path("17 KiB", `/v1/messages?${"a".repeat(17_000)}`),
]
