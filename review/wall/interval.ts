/** Sets of whole numbers as sorted, disjoint, closed intervals: union, intersection, difference, all exact. */

export type IntervalSet = readonly (readonly [bigint, bigint])[]

export function unite(...sets: readonly IntervalSet[]): IntervalSet {
  const sorted = sets.flat().sort((left, right) => (left[0] < right[0] ? -1 : left[0] > right[0] ? 1 : 0))
  const merged: [bigint, bigint][] = []
  for (const [low, high] of sorted) {
    const last = merged.at(-1)
    if (last !== undefined && low <= last[1] + 1n) last[1] = high > last[1] ? high : last[1]
    else merged.push([low, high])
  }
  return merged
}

export function intersect(left: IntervalSet, right: IntervalSet): IntervalSet {
  const common: [bigint, bigint][] = []
  for (const [low, high] of left) {
    for (const [from, to] of right) {
      const [first, last] = [low > from ? low : from, high < to ? high : to]
      if (first <= last) common.push([first, last])
    }
  }
  return common
}

export function subtract(left: IntervalSet, right: IntervalSet): IntervalSet {
  let rest: IntervalSet = left
  for (const [from, to] of right) {
    rest = rest.flatMap(([low, high]) => {
      if (to < low || high < from) return [[low, high] as const]
      const below = low < from ? [[low, from - 1n] as const] : []
      return high > to ? [...below, [to + 1n, high] as const] : below
    })
  }
  return rest
}
