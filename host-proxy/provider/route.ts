/** Decides where an allowed request goes and with which headers: the place where real credentials enter. */

import { matchesPath } from "../../contract/path-pattern.ts"
import type { ProviderApi, ProviderDefinition } from "../../contract/provider-definition.ts"
import type { EgressRequest } from "../../contract/verdict.ts"
import { GUEST_CLAIM_HEADERS } from "../../contract/wire.ts"
import type { HeaderList, Refusal } from "../exchange.ts"
import { type HostConfig, readCredential } from "./host-config.ts"

export interface RouteSources {
  readonly definitions: readonly ProviderDefinition[]
  readonly config: HostConfig
  readonly environment: Readonly<Record<string, string | undefined>>
}

export interface RouteRequest {
  readonly request: EgressRequest
  /** Path with query, as on the wire. */
  readonly target: string
  readonly headers: HeaderList
  /** This machine's placeholders, by provider. */
  readonly placeholders: Readonly<Record<string, string>>
}

export interface Route {
  /** Scheme, host and port that are really called. */
  readonly origin: string
  /** Path with query that is really asked for. */
  readonly target: string
  readonly method: string
  readonly headers: HeaderList
  readonly provider: string | null
  readonly api: ProviderApi | null
  /** The operator named this upstream in host.toml, so the address floor does not apply. */
  readonly named: boolean
  /** The real credential, which must not come back; null when none was put in. */
  readonly secret: string | null
}

/** Connection-bound headers (RFC 9110 7.6.1) and those that a client may not decide through a gateway. */
const HOP_BY_HOP = new Set(
  "connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding upgrade http2-settings expect host".split(
    " ",
  ),
)
const CREDENTIAL_HEADERS = ["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"]

export function planRoute(call: RouteRequest, sources: RouteSources): Route | { readonly refusal: Refusal } {
  const headers = forwardable(call.headers)
  const definition = sources.definitions.find((one) => one.host === call.request.host)
  if (!definition) return routeElsewhere(call, headers, sources.config)
  if (call.request.scheme !== "https" || call.request.port !== 443) {
    return refuse("credential/plain-http", `${definition.host} is called by https on port 443 only`)
  }
  const issued = call.placeholders[definition.name]
  if (issued === undefined || !carriesPlaceholder(headers, issued)) {
    return refuse(
      "credential/not-issued",
      `the request to ${definition.host} carries a credential that stereo did not issue to this machine`,
    )
  }
  const secret = readCredential(definition, sources.config, sources.environment)
  if (secret === null) return refuseMissing(definition)
  const own = headers.filter(([name]) => !CREDENTIAL_HEADERS.includes(name))
  const named = sources.config.providers[definition.name]?.upstream
  const { header, prefix } = definition.credential
  return {
    ...splitUpstream(named ?? definition.upstream, call.target),
    method: call.request.method,
    headers: [...own.filter(([name]) => name !== header.toLowerCase()), [header, `${prefix}${secret}`]],
    provider: definition.name,
    api: definition.endpoints.find(({ path }) => matchesPath(path, call.request.path))?.api ?? null,
    named: named !== undefined,
    secret,
  }
}

function routeElsewhere(
  call: RouteRequest,
  headers: HeaderList,
  config: HostConfig,
): Route | { readonly refusal: Refusal } {
  const { scheme, host, port } = call.request
  const issued = Object.values(call.placeholders)
  if (headers.some(([, value]) => issued.some((placeholder) => value.includes(placeholder)))) {
    return refuse("credential/wrong-host", `the request to ${host} carries a placeholder of another host`)
  }
  const named = config.upstream.find((one) => one.host === host && one.port === port)
  const place = splitUpstream(named?.url ?? `${scheme}://${host}:${port}`, call.target)
  const rest = { method: call.request.method, headers, provider: null, api: null, secret: null }
  return { ...place, ...rest, named: named !== undefined }
}

function forwardable(headers: HeaderList): HeaderList {
  const listed = headers.filter(([name]) => name === "connection").flatMap(([, value]) => value.split(","))
  const dropped = new Set(listed.map((name) => name.trim().toLowerCase()))
  return headers.filter(
    ([name]) => !HOP_BY_HOP.has(name) && !dropped.has(name) && !name.startsWith(GUEST_CLAIM_HEADERS.prefix),
  )
}

/** At least one credential header, and every one of them holds the placeholder and nothing else. */
function carriesPlaceholder(headers: HeaderList, issued: string): boolean {
  const carried = headers.filter(([name]) => CREDENTIAL_HEADERS.includes(name) && name !== "cookie")
  return carried.length > 0 && carried.every(([, value]) => value.replace(/^Bearer +/i, "") === issued)
}

function splitUpstream(upstream: string, target: string): { origin: string; target: string } {
  const url = new URL(upstream)
  return { origin: url.origin, target: `${url.pathname.replace(/\/$/, "")}${target}` }
}

function refuseMissing(definition: ProviderDefinition): { readonly refusal: Refusal } {
  return {
    refusal: {
      status: 503,
      rule: "credential/missing",
      reason: `the host has no credential for ${definition.name}`,
      hint: `put [providers.${definition.name}] key = "…" into host.toml on the host (mode 0600), or ${definition.credential.environment} into the host service's environment, and restart it`,
    },
  }
}

function refuse(rule: string, reason: string): { readonly refusal: Refusal } {
  const hint = "use the credential that stereo put into this machine's environment, at the host it is for"
  return { refusal: { status: 403, rule, reason, hint } }
}
