/** Appends rows: those that are ready at one time share a commit, and so one wait for the disk. */

interface Waiting<Row> {
  readonly row: Row
  readonly settle: () => void
  readonly reject: (thrown: unknown) => void
}

/** sqlite takes 32,766 values in one statement; the widest row has 28. */
const MAX_ROWS = 500

/** What it gives resolves when the row is durable; a row that is refused takes its companions with it. */
export function openGroupCommit<Row>(
  insert: (rows: readonly Row[]) => Promise<unknown>,
): (row: Row) => Promise<void> {
  const waiting: Waiting<Row>[] = []
  const commit = async () => {
    const batch = waiting.splice(0, MAX_ROWS)
    if (waiting.length > 0) setImmediate(commit)
    try {
      await insert(batch.map(({ row }) => row))
      for (const one of batch) one.settle()
    } catch (thrown) {
      for (const one of batch) one.reject(thrown)
    }
  }
  return (row) =>
    new Promise((settle, reject) => {
      waiting.push({ row, settle, reject })
      if (waiting.length === 1) setImmediate(commit)
    })
}
