/** Takes credentials out of what the archive keeps of headers and URLs. */

import type { HeaderList } from "../exchange.ts"

const SECRET_HEADER =
  /^(?:authorization|proxy-authorization|cookie|set-cookie|api-key|.*-(?:api-key|auth|token|secret|authorization))$/
const SECRET_PARAMETER = /^(?:.*key|.*token|.*secret|.*password|sig|signature|.*-credential|.*-signature)$/i

export function maskHeaders(headers: HeaderList): HeaderList {
  return headers.map(([name, value]) => [name, SECRET_HEADER.test(name) ? mask(value) : value])
}

export function maskTarget(target: string): string {
  const [path = "", ...query] = target.split("?")
  if (query.length === 0) return target
  const parts = query.join("?").split("&").map(maskParameter)
  return `${path}?${parts.join("&")}`
}

function maskParameter(part: string): string {
  const equals = part.indexOf("=")
  if (equals < 0 || !SECRET_PARAMETER.test(part.slice(0, equals))) return part
  return `${part.slice(0, equals)}=${mask(part.slice(equals + 1))}`
}

/** The length helps to tell "none" from "some" without giving anything away. */
function mask(value: string): string {
  return `<masked:${value.length}>`
}
