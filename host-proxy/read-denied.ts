/** What was refused to a run of a machine, by host: a pure view of the archive, bounded whatever the guest did. */

import type { ArchiveReader } from "./archive/open-reader.ts"
import type { ExchangeRow } from "./archive/schema.ts"
import { couldBeOpened } from "./decide-or-ask.ts"
import { normaliseAuthority } from "./policy/normalise.ts"

/** One way in which a host was called, in vain. */
export interface DeniedRequest {
  readonly method: string
  /** Without its query; as the guest wrote it. */
  readonly path: string
  readonly hasQuery: boolean
  readonly count: number
  /** The first of them in the archive. */
  readonly exchange: string
}

export interface DeniedHost {
  readonly host: string
  /** Null: what was asked for is no host and port. */
  readonly port: number | null
  /** Empty: only CONNECT was seen. */
  readonly schemes: readonly string[]
  readonly count: number
  readonly firstAtMs: number
  readonly lastAtMs: number
  readonly rules: readonly string[]
  /** What the guest says of who called. */
  readonly processes: readonly string[]
  readonly requests: readonly DeniedRequest[]
  /** Ways that are not listed, for there are too many. */
  readonly moreRequests: number
}

const MAX_ROWS = 50_000
const MAX_HOSTS = 500
const MAX_REQUESTS = 100
const MAX_NAMES = 5

export interface DeniedFilter {
  readonly runId: string
  readonly sinceMs: number
  /** Only what a rule of a set could have allowed. */
  readonly openable: boolean
}

/** The host that was refused most comes first. */
export async function readDenied(reader: ArchiveReader, run: DeniedFilter): Promise<readonly DeniedHost[]> {
  const { runId, sinceMs, openable } = run
  const all = await reader.refusals({ runId, sinceMs, limit: MAX_ROWS })
  const rows = openable ? all.filter((row) => couldBeOpened(row.rule)) : all
  const groups = Map.groupBy(rows, (row) => placeOf(row).key)
  const hosts = [...groups.values()].flatMap(summarise)
  return hosts.sort((left, right) => right.count - left.count).slice(0, MAX_HOSTS)
}

interface Place {
  readonly key: string
  readonly host: string
  readonly port: number | null
}

/** What could not be read as a host is a place of its own, by what was written. */
function placeOf({ authority, scheme }: ExchangeRow): Place {
  const place = normaliseAuthority(authority, scheme === "http" ? 80 : 443)
  if ("refusal" in place) return { key: `? ${authority}`, host: authority.slice(0, 300), port: null }
  return { key: `${place.host}:${place.port}`, ...place }
}

function summarise(rows: readonly ExchangeRow[]): DeniedHost[] {
  const [first] = rows
  if (!first) return []
  const { host, port } = placeOf(first)
  const times = rows.map((row) => row.started_at_ms)
  const ways = Map.groupBy(rows, (row) => `${row.method} ${row.target}`)
  const requests = [...ways.values()].flatMap(describeWay)
  const names = (values: readonly (string | null)[]) => [...new Set(values.filter((one) => one !== null))]
  return [
    {
      ...{ host, port, count: rows.length },
      schemes: names(rows.map(({ scheme }) => scheme || null)),
      firstAtMs: times.reduce((left, right) => Math.min(left, right)),
      lastAtMs: times.reduce((left, right) => Math.max(left, right)),
      rules: names(rows.map(({ rule }) => rule)),
      processes: names(rows.map((row) => row.claimed_process)).slice(0, MAX_NAMES),
      requests: requests.slice(0, MAX_REQUESTS),
      moreRequests: Math.max(requests.length - MAX_REQUESTS, 0),
    },
  ]
}

function describeWay(rows: readonly ExchangeRow[]): DeniedRequest[] {
  const [first] = rows
  if (!first) return []
  const { method, target, id } = first
  const [path = ""] = target.split("?", 1)
  return [{ method, path, hasQuery: target.includes("?"), count: rows.length, exchange: id }]
}
