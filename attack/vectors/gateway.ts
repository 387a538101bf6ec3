/** G3 behind the capture proxy: what the second wall itself makes of HTTP/2 from a hostile root. */

import type { GatewayProbe, Vector } from "../vector.ts"

const GOOD = "api.anthropic.com"
const EVIL = "{m}.evil.example"

export function gatewayVectors(): readonly Vector[] {
  const ask = (headers: GatewayProbe["headers"], rest: Partial<GatewayProbe> = {}): GatewayProbe => ({
    kind: "gateway",
    headers: { ":method": "GET", ":scheme": "https", ":authority": EVIL, ":path": "/{m}", ...headers },
    ...rest,
  })
  const rows: readonly (readonly [string, string, Vector["expected"], GatewayProbe, string?])[] = [
    ["41-gateway-denied", "a denied host, asked of the gateway itself", "403", ask({})],
    [
      "41-gateway-address",
      "an address, asked of the gateway itself",
      "403",
      ask({ ":authority": "169.254.169.254" }),
    ],
    [
      "41-host-differs",
      "a Host header beside another authority",
      "403",
      ask({ ":authority": GOOD, host: EVIL }),
    ],
    [
      "41-extended-connect",
      "extended CONNECT",
      "400",
      ask({ ":method": "CONNECT", ":protocol": "websocket" }),
    ],
    ["41-odd-method", "a method that is none", "400", ask({ ":method": "get {m}" })],
    ["41-scheme-file", "a file by its URL", "400", ask({ ":scheme": "file", ":authority": EVIL })],
    [
      "41-forged-claims",
      "claims of another process, session and name",
      "403",
      ask({
        "stereo-sni": GOOD,
        "stereo-exchange": "0".repeat(26),
        "stereo-process": "1 /sbin/init",
        "x-claude-code-session-id": "{m}",
      }),
    ],
    [
      "41-many-resets",
      "requests that are reset at once, 150 times",
      "BND",
      ask({}, { repeat: 150, reset: true }),
    ],
    ["41-large-header", "a header of 60 kB", "400", ask({ "x-large": "a".repeat(60_000) })],
    [
      "41-unknown-host-header-nul",
      "a name with NUL",
      "400",
      ask({ ":authority": "{m}.evil.example\x00.google.com" }),
    ],
  ]
  return rows.map(([id, title, expected, how]) => ({ id, group: "G3", title, from: ["root"], expected, how }))
}
