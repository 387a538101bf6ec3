/** A region of packets on its way through the hooks: where it began, and what has been rewritten since. */

import { type IntervalSet, intersect, subtract, unite } from "./interval.ts"
import { type Box, DIMENSIONS, type Dimension, type PartialBox } from "./packet-space.ts"

export interface Region {
  /** The packets as they were sent. */
  readonly box: Box
  /** Values that a rule or the kernel has put in place of those sent; several values: any of them. */
  readonly now: PartialBox
  /** Address translation has been settled for this connection. */
  readonly translated: boolean
  /** The route is looked up once more before postrouting. */
  readonly rerouted: boolean
  /** False once it depends on something that is not known: then it may take this way, or another. */
  readonly sure: boolean
}

/** Cuts a region in two along a box: what lies inside of it, and the pieces outside. */
export function splitRegion(region: Region, along: PartialBox): { inside: Region[]; outside: Region[] } {
  const outside: Region[] = []
  let inside = region
  for (const dimension of DIMENSIONS) {
    const wanted = along[dimension]
    if (wanted === undefined) continue
    const has = inside.now[dimension] ?? inside.box[dimension]
    const [yes, no] = [intersect(has, wanted), subtract(has, wanted)]
    if (no.length === 0) continue
    if (yes.length === 0) return { inside: [], outside: [...outside, inside] }
    outside.push(narrow(inside, dimension, no))
    inside = narrow(inside, dimension, yes)
  }
  return { inside: [inside], outside }
}

function narrow(region: Region, dimension: Dimension, to: IntervalSet): Region {
  if (region.now[dimension] === undefined) return { ...region, box: { ...region.box, [dimension]: to } }
  // which of the values it has is not known, and so neither which side it is on
  return { ...region, now: { ...region.now, [dimension]: to }, sure: false }
}

/** Joins regions that differ in one dimension only, which keeps their number small; the union stays the same. */
export function joinRegions(regions: readonly Region[]): readonly Region[] {
  let joined = regions
  for (const dimension of DIMENSIONS) {
    if (joined.length < 2) break
    const alike = new Map<string, Region>()
    for (const region of joined) {
      const key = keyWithout(region, dimension)
      const other = alike.get(key)
      const set = region.box[dimension]
      if (other === undefined) alike.set(key, region)
      else if (textOf(other.box[dimension]) !== textOf(set)) {
        alike.set(key, { ...region, box: { ...region.box, [dimension]: unite(other.box[dimension], set) } })
      }
    }
    joined = [...alike.values()]
  }
  return joined
}

function keyWithout(region: Region, without: Dimension): string {
  let key = `${region.translated} ${region.rerouted} ${region.sure}`
  for (const dimension of DIMENSIONS) {
    if (dimension !== without) key += `|${textOf(region.box[dimension])}`
    const now = region.now[dimension]
    if (now !== undefined) key += `>${dimension} ${textOf(now)}`
  }
  return key
}

/** Sets are never changed and mostly shared: each is written out once. */
const texts = new WeakMap<IntervalSet, string>()

function textOf(set: IntervalSet): string {
  const known = texts.get(set)
  if (known !== undefined) return known
  const text = set.join(" ")
  texts.set(set, text)
  return text
}
