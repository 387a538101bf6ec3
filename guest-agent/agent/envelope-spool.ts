/** Envelopes on their way to the host: files in a folder that outlive a restart of the agent, a bounded number. */

import { mkdir, readdir, readFile, rename, unlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Envelope } from "../../contract/uplink.ts"

/** The folder lies in memory; beyond this the oldest files go, and the host finds exchanges without envelope. */
const MAX_FILES = 20_000

export interface EnvelopeSpool {
  /** Resolves when the envelopes are in a file. */
  readonly append: (envelopes: readonly Envelope[]) => Promise<void>
  /** The oldest files' envelopes, and how to forget them once the host has acknowledged; null if there are none. */
  readonly oldest: () => Promise<{ readonly body: string; readonly forget: () => Promise<void> } | null>
  /** Called after each append. */
  onAppend: () => void
}

/** Files a batch takes: with one envelope each, far below what the host accepts at once. */
const BATCH_FILES = 100

export async function openSpool(dir: string, log: (line: string) => void): Promise<EnvelopeSpool> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  // names sort by time because the envelopes' ids do
  const names = (await readdir(dir)).filter((name) => name.endsWith(".json")).sort()
  const spool: EnvelopeSpool = {
    onAppend: () => undefined,
    append: async (envelopes) => {
      const [first] = envelopes
      if (!first) return
      const name = `${first.id}.json`
      await writeFile(join(dir, `${name}.new`), envelopes.map((one) => JSON.stringify(one)).join(","))
      await rename(join(dir, `${name}.new`), join(dir, name))
      if (!names.includes(name)) names.push(name)
      if (names.length > MAX_FILES) {
        log(`the spool of envelopes is full: ${names[0]} is given up`)
        await remove(dir, names.splice(0, 1))
      }
      spool.onAppend()
    },
    oldest: async () => {
      const taken = names.slice(0, BATCH_FILES)
      if (taken.length === 0) return null
      const parts = await Promise.all(taken.map((name) => readFile(join(dir, name), "utf8")))
      return {
        body: `[${parts.join(",")}]`,
        forget: async () => {
          // the session before this one may have sent some of them too
          const left = taken.filter((name) => names.includes(name))
          for (const name of left) names.splice(names.indexOf(name), 1)
          await remove(dir, left)
        },
      }
    },
  }
  return spool
}

async function remove(dir: string, names: readonly string[]): Promise<void> {
  await Promise.all(names.map((name) => unlink(join(dir, name))))
}
