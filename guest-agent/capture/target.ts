/** What a request is for, as it stands in the message: strict, since the host decides by nothing else. */

import type { IncomingMessage } from "node:http"

export interface Target {
  readonly scheme: "http" | "https"
  /** `host` or `host:port`, lower-case. */
  readonly authority: string
  /** Path and query, as they came. */
  readonly path: string
}

/** Why a request names no one target. */
export interface TargetProblem {
  readonly problem: string
}

/** A name, an IPv4 address or a bracketed IPv6 one, and a port: no user, no space, no escapes. */
const AUTHORITY = /^(?:[a-z0-9_](?:[a-z0-9._-]{0,252})|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?$/i

export function parseTarget(
  request: Pick<IncomingMessage, "url" | "rawHeaders">,
  scheme: "http" | "https",
  form: "origin" | "absolute",
): Target | TargetProblem {
  const url = request.url ?? ""
  const hosts = request.rawHeaders.filter((_, index, all) => index % 2 === 1 && isHost(all[index - 1]))
  const [host] = hosts
  if (hosts.length !== 1 || host === undefined)
    return { problem: `expected one Host header, got ${hosts.length}` }
  if (!AUTHORITY.test(host)) return { problem: `Host: ${quote(host)} is not a name with an optional port` }
  const absolute = /^(https?):\/\/([^/?#]*)([/?][^#]*)?$/i.exec(url)
  if (!absolute) return origin(url, host, scheme, form)
  const [, urlScheme = "", authority = "", rest = ""] = absolute
  const named = urlScheme.toLowerCase() === "https" ? "https" : "http"
  if (authority.toLowerCase() !== host.toLowerCase()) {
    return { problem: `the target ${quote(authority)} differs from Host: ${quote(host)}` }
  }
  if (form === "origin" && named !== scheme) return { problem: `a ${named} target over ${scheme}` }
  return { scheme: named, authority: host.toLowerCase(), path: rest.startsWith("/") ? rest : `/${rest}` }
}

/** The target of CONNECT: a host and a port, both there. */
export function parseConnectTarget(
  url: string | undefined,
): { host: string; authority: string } | TargetProblem {
  const authority = (url ?? "").toLowerCase()
  if (!AUTHORITY.test(authority) || !/:[0-9]{1,5}$/.test(authority)) {
    return { problem: `CONNECT ${quote(url ?? "")}: expected host:port` }
  }
  return { authority, host: authority.replace(/:[0-9]+$/, "") }
}

function origin(
  url: string,
  host: string,
  scheme: "http" | "https",
  form: "origin" | "absolute",
): Target | TargetProblem {
  if (form === "absolute") {
    return { problem: `${quote(url)}: this is a proxy, which expects http://host/path or CONNECT host:port` }
  }
  if (!url.startsWith("/") && url !== "*") return { problem: `${quote(url)} is not a path` }
  return { scheme, authority: host.toLowerCase(), path: url }
}

function isHost(name: string | undefined): boolean {
  return name?.toLowerCase() === "host"
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 200))
}
