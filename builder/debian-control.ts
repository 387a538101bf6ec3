/** Reads the paragraphs of Debian's control files: `Key: value`, continued on lines that begin with a blank. */

/** Field by name as written; of a field with more lines all of them, joined by line ends. */
export function parseControl(paragraph: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  let last: string | null = null
  for (const line of paragraph.split("\n")) {
    if (/^[ \t]/.test(line)) {
      if (last !== null) fields.set(last, `${fields.get(last)}\n${line.trim()}`)
      continue
    }
    const [, key, value = ""] = /^([!-9;-~]+):[ \t]*(.*)$/.exec(line) ?? []
    last = key ?? null
    if (key !== undefined) fields.set(key, value.trim())
  }
  return fields
}
