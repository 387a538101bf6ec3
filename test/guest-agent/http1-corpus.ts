/** HTTP/1 messages that two readers could take in two ways, as bytes: each with a name and the status it must get. */

export interface Http1Case {
  readonly name: string
  readonly status: 400 | 408 | 431 | 501
  /** latin1; `%P` is a path that stands for the case. */
  readonly bytes: string
  /** To the explicit proxy's port instead of port 80. */
  readonly explicit?: true
  /** Sent byte by byte, so many milliseconds apart. */
  readonly dripMs?: number
}

const GET = "GET %P HTTP/1.1\r\nHost: a.example\r\n"
const POST = "POST %P HTTP/1.1\r\nHost: a.example\r\n"
const CHUNKED = `${POST}Transfer-Encoding: chunked\r\n\r\n`

const bad = (name: string, bytes: string, status: Http1Case["status"] = 400): Http1Case => ({
  name,
  status,
  bytes,
})
const header = (name: string, line: string) => bad(name, `${GET}${line}\r\n\r\n`)
const body = (name: string, lines: string, rest: string) => bad(name, `${POST}${lines}\r\n\r\n${rest}`)
const chunks = (name: string, rest: string) => bad(name, `${CHUNKED}${rest}`)
const explicit = (name: string, bytes: string): Http1Case => ({ ...bad(name, bytes), explicit: true })

const SMUGGLED = "GET /smuggled HTTP/1.1\r\nHost: a.example\r\n\r\n"

export const HTTP1_CORPUS: readonly Http1Case[] = [
  body("CL.TE", "Content-Length: 6\r\nTransfer-Encoding: chunked", `0\r\n\r\n${SMUGGLED}`),
  body("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 4", `5c\r\n${SMUGGLED}`),
  body("TE.TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", `0\r\n\r\n`),
  body("TE.TE in one line", "Transfer-Encoding: chunked, chunked", `0\r\n\r\n`),
  body("TE.TE with another coding", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x", `0\r\n\r\n`),
  body("an unknown coding", "Transfer-Encoding: xchunked", `0\r\n\r\n`),
  body("identity", "Transfer-Encoding: identity", ""),
  body("gzip, chunked", "Transfer-Encoding: gzip, chunked", `0\r\n\r\n`),
  body("chunked in quotes", 'Transfer-Encoding: "chunked"', `0\r\n\r\n`),
  body("chunked with a parameter", "Transfer-Encoding: chunked;q=1", `0\r\n\r\n`),
  body("chunked behind a vertical tab", "Transfer-Encoding: \x0bchunked", `0\r\n\r\n`),
  body("a space before the colon of Transfer-Encoding", "Transfer-Encoding : chunked", `0\r\n\r\n`),
  body("two lengths", "Content-Length: 5\r\nContent-Length: 6", "hello!"),
  body("two equal lengths", "Content-Length: 5\r\nContent-Length: 5", "hello"),
  body("a list of lengths", "Content-Length: 5, 5", "hello"),
  body("a length with a plus", "Content-Length: +5", "hello"),
  body("a length with letters behind", "Content-Length: 5abc", "hello"),
  body("a hexadecimal length", "Content-Length: 0x5", "hello"),
  body("a negative length", "Content-Length: -5", "hello"),
  body("a length with a leading zero", "Content-Length: 05", "hello"),
  body("a length with a point", "Content-Length: 5.0", "hello"),
  body("a length with a space inside", "Content-Length: 1 2", "hello"),
  body("an empty length", "Content-Length:", ""),
  body("a length over 2^53", "Content-Length: 9007199254740993", ""),
  body("a length over 2^64", "Content-Length: 18446744073709551621", "hello"),
  chunks("a chunk extension", "5;a=b\r\nhello\r\n0\r\n\r\n"),
  chunks("a chunk extension without a name", "5;\r\nhello\r\n0\r\n\r\n"),
  chunks("a space behind a chunk's size", "5 \r\nhello\r\n0\r\n\r\n"),
  chunks("a chunk's size with a plus", "+5\r\nhello\r\n0\r\n\r\n"),
  chunks("a chunk's size in 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
  chunks("a negative chunk's size", "-5\r\nhello\r\n0\r\n\r\n"),
  chunks("a chunk's size of nine digits", "000000005\r\nhello\r\n0\r\n\r\n"),
  chunks("a chunk's size over 2^64", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
  chunks("an empty chunk's size", "\r\nhello\r\n0\r\n\r\n"),
  chunks("a chunk's size that ends in LF", "5\nhello\r\n0\r\n\r\n"),
  chunks("a chunk that ends in LF", "5\r\nhello\n0\r\n\r\n"),
  chunks("a chunk that is longer than it says", "5\r\nhello!\r\n0\r\n\r\n"),
  chunks("a chunk that is no hexadecimal", "zz\r\nhello\r\n0\r\n\r\n"),
  chunks("a trailer", "5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n"),
  chunks("a length in a trailer", "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n"),
  bad("bare LF", "GET %P HTTP/1.1\nHost: a.example\n\n"),
  bad("bare LF behind one header", `${GET}X: 1\n\r\n`),
  bad("bare LF as the head's end", `${GET}X: 1\r\n\n`),
  bad("bare CR in a value", `${GET}X: a\rb\r\n\r\n`),
  bad("bare CR as a line's end", "GET %P HTTP/1.1\rHost: a.example\r\r"),
  bad("an empty line before the request", `\r\n${GET}\r\n`),
  header("a folded header", "X: a\r\n b"),
  header("a header folded by a tab", "X: a\r\n\tb"),
  header("a first header that is a fold", " X: a"),
  header("NUL in a value", "X: a\0b"),
  header("NUL in a name", "X\0Y: a"),
  header("a space before the colon", "X : a"),
  header("a tab before the colon", "X\t: a"),
  header("a space in a name", "X Y: a"),
  header("a header without a colon", "X"),
  header("a header without a name", ": a"),
  header("a name in brackets", "X[1]: a"),
  header("eight bits in a name", "X\xe9: a"),
  header("eight bits in a value", "X: caf\xe9"),
  header("UTF-8 in a value", "X: \xc3\xa9"),
  header("an escape in a value", "X: \x1b[2J"),
  header("DEL in a value", "X: \x7f"),
  header("Connection that names the length", "Connection: content-length"),
  header("Connection that names the credential", "Connection: authorization"),
  header("Connection that names the host", "Connection: host"),
  bad("HTTP/1.0", "GET %P HTTP/1.0\r\nHost: a.example\r\n\r\n"),
  bad("HTTP/1.0 without Host", "GET %P HTTP/1.0\r\n\r\n"),
  bad("HTTP/0.9", "GET %P\r\n"),
  bad("HTTP/1.2", "GET %P HTTP/1.2\r\nHost: a.example\r\n\r\n"),
  bad("HTTP/2.0 in words", "GET %P HTTP/2.0\r\nHost: a.example\r\n\r\n"),
  bad("another protocol's name", "GET %P RTSP/1.0\r\nHost: a.example\r\n\r\n"),
  bad("http in lower case", "GET %P http/1.1\r\nHost: a.example\r\n\r\n"),
  bad("h2 prior knowledge", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
  bad("a method in lower case", "get %P HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("a method of seventeen letters", "ABCDEFGHIJKLMNOPQ %P HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("two spaces in the request line", "GET  %P HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("a tab in the request line", "GET\t%P HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("a space behind the version", "GET %P HTTP/1.1 \r\nHost: a.example\r\n\r\n"),
  bad("a space in the target", "GET %P x HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("eight bits in the target", "GET %P\xe9 HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("NUL in the target", "GET %P\0 HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("a target without a slash", "GET a%P HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("SSH", "SSH-2.0-OpenSSH_9.2\r\n"),
  bad("TLS on the plain port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
  bad("SMTP", "EHLO a.example\r\n"),
  bad("no Host", "GET %P HTTP/1.1\r\n\r\n"),
  bad("two Hosts", "GET %P HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n"),
  bad("two equal Hosts", `${GET}Host: a.example\r\n\r\n`),
  bad("an empty Host", "GET %P HTTP/1.1\r\nHost:\r\n\r\n"),
  bad("two Hosts in one line", "GET %P HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n"),
  bad("a user in Host", "GET %P HTTP/1.1\r\nHost: a@b.example\r\n\r\n"),
  bad("a space in Host", "GET %P HTTP/1.1\r\nHost: a.example b.example\r\n\r\n"),
  bad("a slash in Host", "GET %P HTTP/1.1\r\nHost: a.example/x\r\n\r\n"),
  bad("a port in words in Host", "GET %P HTTP/1.1\r\nHost: a.example:http\r\n\r\n"),
  bad("an empty port in Host", "GET %P HTTP/1.1\r\nHost: a.example:\r\n\r\n"),
  bad("a percent in Host", "GET %P HTTP/1.1\r\nHost: a%2eexample\r\n\r\n"),
  bad("UTF-8 in Host", "GET %P HTTP/1.1\r\nHost: \xc3\xa4.example\r\n\r\n"),
  bad("absolute-form that differs from Host", "GET http://b.example%P HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("absolute-form with a user", "GET http://u@a.example%P HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("absolute-form of https on port 80", "GET https://a.example%P HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("absolute-form of ftp", "GET ftp://a.example%P HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  bad("a CONNECT that was redirected", "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"),
  explicit("a path to the proxy itself", "GET %P HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n\r\n"),
  explicit(
    "absolute-form that differs from Host, by proxy",
    "GET http://b.example%P HTTP/1.1\r\nHost: a.example\r\n\r\n",
  ),
  explicit("CONNECT without a port", "CONNECT a.example HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  explicit("CONNECT with a path", "CONNECT a.example:443/x HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  explicit("CONNECT with a user", "CONNECT u@a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n"),
  explicit(
    "CONNECT with a body",
    "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\r\nhello",
  ),
  explicit(
    "CONNECT that is chunked",
    "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  ),
  bad(
    "an upgrade to h2c",
    `${GET}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n`,
    501,
  ),
  bad("an upgrade to TLS", `${GET}Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n`, 501),
  bad("an upgrade to two protocols", `${GET}Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n`, 501),
  bad(
    "a WebSocket without a key",
    `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  ),
  bad(
    "a WebSocket with a short key",
    `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n`,
  ),
  bad(
    "a WebSocket of version 8",
    `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
  ),
  bad(
    "a WebSocket by POST",
    `${POST}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
  ),
  bad(
    "a WebSocket with a body",
    `${GET}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\nhello`,
  ),
  bad(
    "a WebSocket whose Host differs",
    "GET http://b.example%P HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
  ),
  bad(
    "a request behind an ambiguous one",
    `${POST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
  ),
  bad("a head over 64 KiB in one header", `${GET}X: ${"x".repeat(70_000)}\r\n\r\n`, 431),
  bad("a hundred thousand headers", `${GET}${"X: 1\r\n".repeat(100_000)}\r\n`, 431),
  bad("a hundred and thirty headers", `${GET}${"X: 1\r\n".repeat(130)}\r\n`, 431),
  bad("a target of 20 KiB", `GET %P${"x".repeat(20_000)} HTTP/1.1\r\nHost: a.example\r\n\r\n`, 431),
  bad("a target of a megabyte", `GET %P${"x".repeat(1_000_000)} HTTP/1.1\r\nHost: a.example\r\n\r\n`, 431),
  { ...bad("a head that drips, a byte at a time", `${GET}X: ${"x".repeat(600)}`, 408), dripMs: 50 },
]
