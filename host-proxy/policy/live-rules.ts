/** The live rules of one run of a machine, kept in a file of its folder: whole or not at all, and durable. */

import { open, readFile, rename } from "node:fs/promises"
import { dirname } from "node:path"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { type LiveRule, type LiveRulesFile, liveRulesFile } from "../../contract/live-rule.ts"

/** More than a person makes; each is looked at with every call. */
const MAX_RULES = 256

export class LiveRules {
  readonly #path: string
  #file: LiveRulesFile

  constructor(path: string, file: LiveRulesFile) {
    this.#path = path
    this.#file = file
  }

  get all(): readonly LiveRule[] {
    return this.#file.rules
  }

  nextId(): string {
    return `live/${this.#file.next}`
  }

  find(id: string): LiveRule | null {
    return this.all.find((rule) => idOf(rule) === id) ?? null
  }

  /** Fault `egress/too-many-rules`. The rule has the next id. */
  async add(rule: LiveRule): Promise<void> {
    if (this.all.length >= MAX_RULES) {
      throw new Fault("egress/too-many-rules", `the machine has ${MAX_RULES} live rules already`, {
        hint: "what is needed for long belongs into an egress set; `stereo egress revoke` takes rules back",
      })
    }
    await this.#write({ ...this.#file, next: this.#file.next + 1, rules: [...this.all, rule] })
  }

  async remove(rules: readonly LiveRule[]): Promise<void> {
    const gone = new Set(rules.map(idOf))
    await this.#write({ ...this.#file, rules: this.all.filter((rule) => !gone.has(idOf(rule))) })
  }

  /** Memory follows the disk: what could not be kept does not count. */
  async #write(file: LiveRulesFile): Promise<void> {
    await writeDurably(this.#path, `${JSON.stringify(file, null, 2)}\n`)
    this.#file = file
  }
}

export function idOf(rule: LiveRule): string {
  return rule.kind === "allow" ? rule.grant.id : rule.denial.id
}

/** The rules of this run; those of an earlier one come apart. `broken`: a denial may be lost, so nothing may leave. */
export async function readLiveRules(
  path: string,
  runId: string,
): Promise<{
  readonly rules: LiveRules
  readonly earlier: LiveRulesFile | null
  readonly broken: string | null
}> {
  const fresh = { schema: 1, runId, next: 1, rules: [] } as const
  const none = { rules: new LiveRules(path, fresh), earlier: null, broken: null }
  try {
    const file = liveRulesFile.parse(JSON.parse(await readFile(path, "utf8")))
    if (file.runId !== runId) return { ...none, earlier: file }
    return { ...none, rules: new LiveRules(path, file) }
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return none // only this field is read
    return { ...none, broken: `${path} cannot be read: ${reasonOf(thrown)}` }
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const fresh = `${path}.new`
  {
    await using file = await open(fresh, "w", 0o600)
    await file.writeFile(text)
    await file.sync()
  }
  await rename(fresh, path)
  await using folder = await open(dirname(path), "r")
  await folder.sync()
}
