/** Writes rendered files into a folder: each whole or not at all, and over nothing that somebody has changed. */

import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import type { RenderedFile } from "./render-packer.ts"

/** `force`: what is there is replaced. Faults: `packer/changed-file`. */
export async function writeFolder(
  dir: string,
  files: readonly RenderedFile[],
  { force }: { readonly force: boolean },
): Promise<void> {
  await mkdir(dir, { recursive: true })
  const there = await Promise.all(
    files.map(async (file) => ({ file, text: await readText(join(dir, file.name)) })),
  )
  const changed = there.filter(({ file, text }) => text !== null && text !== file.text)
  if (changed.length > 0 && !force) {
    const names = changed.map(({ file }) => file.name).join(", ")
    throw new Fault("packer/changed-file", `${dir} has other files of these names: ${names}`, {
      hint: "they are of another image or were edited: give another folder with -o, or replace them with --force",
    })
  }
  for (const { name, text } of files) await replaceFile(join(dir, name), text)
}

async function replaceFile(path: string, text: string): Promise<void> {
  const next = `${path}.next`
  try {
    await writeFile(next, text)
    await rename(next, path)
  } finally {
    await rm(next, { force: true })
  }
}

/** Null: it is not there. */
async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8")
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null
    throw thrown
  }
}
