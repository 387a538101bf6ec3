/** Which hosts an egress rule may name: whole names that one party answers for, and no addresses. Pure. */

import { getPublicSuffix } from "tldts"

/** One DNS label. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** The last label of any spelling of an IPv4 address: a resolver would read it as a number. */
const NUMERIC = /^(?:\d+|0x[0-9a-f]*)$/
/** Names that are never the public Internet (IANA's special-use registry and what resolvers keep local). */
const SPECIAL_USE =
  "alt arpa home.arpa internal intranet lan local localdomain localhost onion private".split(" ")

/** Where names are rented or answer for whoever asks, though the public suffix list does not say so. */
const RENTED = [
  ...["aliyuncs.com", "amazonaws.com", "backblazeb2.com", "cloudapp.azure.com", "cloudfunctions.net"],
  ...["core.windows.net", "digitaloceanspaces.com", "documents.azure.com", "firebaseio.com", "myqcloud.com"],
  ...[
    "nip.io",
    "r2.cloudflarestorage.com",
    "sentry.io",
    "sslip.io",
    "storage.googleapis.com",
    "wasabisys.com",
  ],
]

/** What is wrong with the host of a rule, in words; null for a host that a rule may name. */
export function describeBadHost(pattern: string): string | null {
  const wild = pattern.startsWith("*.")
  const name = wild ? pattern.slice(2) : pattern
  if (pattern === "*" || name === "*") return "a star alone is every host; name those that are needed"
  if (name.includes("*")) return "a star stands for one whole label at the beginning, as in *.example.com"
  const labels = name.split(".")
  if (/[:[\]]/.test(name) || NUMERIC.test(labels.at(-1) || labels.at(-2) || "")) {
    return "is an address in some spelling; rules name hosts, and no rule opens an address"
  }
  if (name.length > 253 || !labels.every((label) => LABEL.test(label))) {
    return "expected a lower-case host name such as api.example.com or *.example.com"
  }
  const special = specialUseOf(name)
  if (special !== null) return `lies under .${special}, which is never the public Internet; no rule opens it`
  const rented = wild && RENTED.find((parent) => name === parent || name.endsWith(`.${parent}`))
  if (rented)
    return `stands for names under ${rented}, which anybody may rent; name the hosts that are needed`
  if (!isPublicSuffix(name)) return null
  return wild
    ? `stands for every name under ${name}, where anybody may have one; name the hosts that are needed`
    : `${name} is a public suffix, under which anybody may have a name; name one host`
}

/** The special-use name under which `name` lies, and which no rule opens; null for a name of the public Internet. */
export function specialUseOf(name: string): string | null {
  return SPECIAL_USE.find((suffix) => name === suffix || name.endsWith(`.${suffix}`)) ?? null
}

/** Under a public suffix anybody may register a name (`com`, `co.uk`) or gets one from a cloud (`github.io`). */
export function isPublicSuffix(name: string): boolean {
  return getPublicSuffix(name, { allowPrivateDomains: true, validateHostname: false }) === name
}
