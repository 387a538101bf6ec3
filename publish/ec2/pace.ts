/** How many calls may be under way at once: fewer when the service says so, slowly more again. */

const FEWEST = 2

export interface Pace {
  /** Runs `work` when a place is free. */
  run<Result>(work: (throttled: () => void) => Promise<Result>): Promise<Result>
  /** Places now. */
  readonly limit: () => number
  /** The fewest places that there were. */
  readonly lowest: () => number
}

/** `most`: places at the beginning, and never more. */
export function openPace(most: number): Pace {
  let limit = most
  let lowest = most
  let active = 0
  let answered = 0
  let lastCut = 0
  let started = 0
  const waiting: (() => void)[] = []
  const admit = () => {
    while (active < limit && waiting.length > 0) {
      active += 1
      waiting.shift()?.()
    }
  }
  const cut = (startedAs: number) => {
    // calls that were under way at the last cut tell nothing of the pace since
    if (startedAs <= lastCut) return
    lastCut = started
    answered = 0
    limit = Math.max(Math.min(FEWEST, most), Math.floor(limit / 2))
    lowest = Math.min(lowest, limit)
  }
  const grow = () => {
    answered += 1
    if (answered < limit || limit >= most) return
    answered = 0
    limit += 1
  }
  return {
    limit: () => limit,
    lowest: () => lowest,
    async run(work) {
      await new Promise<void>((settle) => {
        waiting.push(settle)
        admit()
      })
      started += 1
      let mine = started
      try {
        const result = await work(() => {
          cut(mine)
          started += 1
          mine = started
        })
        grow()
        return result
      } finally {
        active -= 1
        admit()
      }
    },
  }
}
