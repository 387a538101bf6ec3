/** Where uploads under way are to be continued, a small file each, so that another run of the program goes on. */

import { createHash } from "node:crypto"
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"

export interface UploadNotes {
  /** The upload's URL; null: none is under way. */
  read(digest: string): Promise<string | null>
  write(digest: string, location: string): Promise<void>
  forget(digest: string): Promise<void>
}

const MAX_LOCATION = 8192

/** `place`: registry and repository, whose uploads are its own. */
export function openUploadNotes(dir: string, place: string): UploadNotes {
  const fileOf = (digest: string) =>
    join(dir, createHash("sha256").update(`${place}\n${digest}`).digest("hex"))
  return {
    async read(digest) {
      const text = await readFile(fileOf(digest), "utf8").catch((thrown: NodeJS.ErrnoException) => {
        if (thrown.code === "ENOENT") return null
        throw thrown
      })
      // one that was cut by a full disk is none
      return text?.endsWith("\n") && text.length <= MAX_LOCATION ? text.trimEnd() : null
    },
    async write(digest, location) {
      const file = fileOf(digest)
      await mkdir(dir, { recursive: true, mode: 0o700 })
      // the URL may be all that is needed to write there
      await writeFile(`${file}.next`, `${location}\n`, { mode: 0o600 })
      await rename(`${file}.next`, file)
    },
    forget: (digest) => rm(fileOf(digest), { force: true }),
  }
}
