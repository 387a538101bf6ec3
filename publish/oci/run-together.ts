/** Runs jobs side by side, a few at once; the first that fails ends the others. */

/** Resolves when all are done. Rejects with the first failure, after every job that was begun has ended. */
export async function runTogether<Item, Result>(
  items: readonly Item[],
  most: number,
  signal: AbortSignal,
  work: (item: Item, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  const results: Result[] = []
  const failures: unknown[] = []
  const queue = items.entries()
  const worker = async () => {
    for (const [index, item] of queue) {
      if (either.aborted) return
      try {
        results[index] = await work(item, either)
      } catch (thrown) {
        failures.push(thrown)
        failed.abort(thrown)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker))
  signal.throwIfAborted()
  if (failures.length > 0) throw failures[0]
  return results
}
