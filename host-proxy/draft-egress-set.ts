/** From what was refused to a draft of an egress set, with its evidence. Everything in it comes from a guest. Pure. */

import { stringify } from "smol-toml"
import { Fault } from "../contract/fault.ts"
import { readEgressPolicy } from "../contract/read-egress-policy.ts"
import { generalisePaths, isPlainPath } from "./generalise-paths.ts"
import type { DeniedHost, DeniedRequest } from "./read-denied.ts"

export interface DraftOptions {
  readonly name: string
  readonly why: string
  readonly owner: string
  readonly machine: string
  readonly runId: string
}

const READING = new Set(["GET", "HEAD", "OPTIONS"])
const MAX_HOSTS = 50
const MAX_PATHS = 50
const MAX_COMMENT = 200

/** TOML that loads. Faults: `egress/bad-draft` when name, why or owner are not those of a set. */
export function draftEgressSet(hosts: readonly DeniedHost[], options: DraftOptions): string {
  const { name, why, owner, machine, runId } = options
  const head = stringify({ name, why, owner })
  const wrong = whatIsWrong(name, head)
  if (wrong !== null) throw new Fault("egress/bad-draft", wrong)
  const drafted = hosts.slice(0, MAX_HOSTS)
  const parts = drafted.map((host) => draftHost(host, name, head, why).join("\n"))
  const opening = [
    `# A draft, from what was refused to machine ${machine} in run ${runId}.`,
    "# Whoever controls the agent chose what stands here: review each rule before it goes into policies/egress/.",
  ]
  if (hosts.length > MAX_HOSTS) opening.push(`# ${hosts.length - MAX_HOSTS} more hosts are left out.`)
  const text = [...opening, head, ...parts, ""].join("\n")
  const broken = whatIsWrong(name, text)
  if (broken !== null) throw new Fault("egress/bad-draft", broken)
  return text
}

function draftHost(denied: DeniedHost, name: string, head: string, why: string): string[] {
  const { host, port, schemes } = denied
  const evidence = describeEvidence(denied)
  const unknown = (reason: string) => [...evidence, `# not drafted: ${comment(reason)}`, ""]
  if (port === null) return unknown("this is no host name")
  const requests = denied.requests.filter((one) => one.method !== "CONNECT")
  if (requests.length === 0) {
    return unknown("only CONNECT was seen; `stereo egress ask` shows methods and paths as they come")
  }
  const scheme = port === 80 ? "http" : "https"
  if (schemes.some((one) => one !== scheme))
    return unknown(`no rule allows ${schemes.join(", ")} on port ${port}`)
  const odd = requests.filter(({ path }) => !isPlainPath(path))
  const plain = requests.filter(({ path }) => isPlainPath(path))
  const lines = [
    ...evidence,
    ...odd.slice(0, 5).map(({ path }) => `# no pattern stands for the path ${comment(path)}`),
  ]
  for (const way of groupWays(plain)) {
    const text = `[[allow]]\n${stringify({ host, port, ...way, paths: way.paths.slice(0, MAX_PATHS), why })}`
    const wrong = whatIsWrong(name, `${head}\n${text}`)
    if (wrong !== null) return unknown(wrong)
    if (way.methods.some((method) => !READING.has(method))) {
      lines.push("# REVIEW: this sends data out, and may change things where it arrives")
    }
    if (way.paths.length > MAX_PATHS) lines.push(`# ${way.paths.length - MAX_PATHS} more paths are left out`)
    lines.push(text)
  }
  return lines
}

interface Way {
  readonly methods: readonly string[]
  readonly paths: readonly string[]
  readonly query: "any" | "none"
}

/** Paths that were asked for by the same methods; no method comes with a path that it was not seen with. */
function groupWays(requests: readonly DeniedRequest[]): Way[] {
  const seen = [...Map.groupBy(requests, ({ method }) => method)].flatMap(([method, group]) =>
    generalisePaths(group.map(({ path }) => path)).map((path) => ({ method, path })),
  )
  const byPath = [...Map.groupBy(seen, ({ path }) => path)].map(([path, ways]) => ({
    path,
    methods: ways.map(({ method }) => method).sort(),
  }))
  return [...Map.groupBy(byPath, ({ methods }) => methods.join(" "))].map(([_key, group]) => {
    const methods = group[0]?.methods ?? []
    const asked = requests.filter(({ method }) => methods.includes(method))
    const query = asked.some((one) => one.hasQuery) ? "any" : "none"
    return { methods, paths: group.map(({ path }) => path), query }
  })
}

function describeEvidence(denied: DeniedHost): string[] {
  const time = (ms: number) => new Date(ms).toISOString().slice(0, 19)
  const place = denied.port === null ? denied.host : `${denied.host}:${denied.port}`
  const ids = denied.requests.slice(0, 5).map(({ exchange }) => exchange)
  const lines = [
    `# ${comment(place)}: refused ${denied.count} times, ${time(denied.firstAtMs)} to ${time(denied.lastAtMs)} UTC, by ${comment(denied.rules.join(", "))}`,
    `# exchanges: ${comment(ids.join(", "))}`,
  ]
  for (const process of denied.processes) lines.push(`# called by, as the guest says: ${comment(process)}`)
  if (denied.moreRequests > 0) lines.push(`# ${denied.moreRequests} more ways of calling it are left out`)
  return lines
}

/** One line that ends where it should: nothing in it can leave the comment or steer a terminal. */
function comment(text: string): string {
  const line = text.replace(/[^\x20-\x7e]/g, "?")
  return line.length <= MAX_COMMENT ? line : `${line.slice(0, MAX_COMMENT - 3)}...`
}

/** In the words of the parser that will load it; null: nothing. */
function whatIsWrong(name: string, text: string): string | null {
  const policy = readEgressPolicy([{ name, text }])
  return policy.kind === "broken" ? policy.reason : null
}
