/** G3, requests whose end or whose headers two readers would see at different places. */

import type { RawProbe, Vector } from "../vector.ts"

const HOST = "Host: {m}.evil.example\r\n"

export function smugglingVectors(): readonly Vector[] {
  const inner = `GET /inner-{m} HTTP/1.1\r\n${HOST}\r\n`
  const post = (headers: string, body: string): RawProbe => ({
    kind: "raw",
    to: "http",
    send: [`POST /{m} HTTP/1.1\r\n${HOST}${headers}\r\n${body}`],
  })
  const rows: readonly (readonly [string, string, RawProbe])[] = [
    [
      "37-cl-te",
      "Content-Length together with chunks",
      post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${inner}`),
    ],
    [
      "37-te-te",
      "two transfer encodings",
      post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", `0\r\n\r\n${inner}`),
    ],
    ["37-two-lengths", "two lengths", post("Content-Length: 3\r\nContent-Length: 300\r\n", `abc${inner}`)],
    ["37-plus-length", "a length with a sign", post("Content-Length: +5\r\n", "hello")],
    ["37-hex-length", "a length in hexadecimal", post("Content-Length: 0x5\r\n", "hello")],
    ["37-trailing-length", "a length with letters after it", post("Content-Length: 5abc\r\n", "hello")],
    [
      "37-bad-chunk",
      "a chunk whose size is no number",
      post("Transfer-Encoding: chunked\r\n", `zz\r\nhello\r\n0\r\n\r\n`),
    ],
    [
      "37-chunk-line-feed",
      "a chunk that ends in a bare line feed",
      post("Transfer-Encoding: chunked\r\n", `5\nhello\n0\n\n${inner}`),
    ],
    [
      "38-bare-line-feed",
      "lines that end in a bare line feed",
      { kind: "raw", to: "http", send: [`GET /{m} HTTP/1.1\n${HOST.replace("\r", "")}\n`] },
    ],
    ["38-folded-header", "a folded header", post("x-one: a\r\n\tb\r\n", "")],
    ["38-nul-in-header", "a NUL in a header", post("x-one: a\x00b\r\n", "")],
    ["38-space-before-colon", "a space before the colon", post("Content-Length : 5\r\n", "hello")],
    ["38-no-colon", "a header without a colon", post("nonsense\r\n", "")],
  ]
  return rows.map(([id, title, how]) => ({ id, group: "G3", title, from: ["agent"], expected: "400", how }))
}
