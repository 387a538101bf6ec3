/** What kernel modules depend on, as modprobe needs to know it. */

import { Fault } from "../../contract/fault.ts"

/** Gives the bytes of the named modules; names are the kernel's (underscores). */
export type LoadModules = (names: readonly string[]) => Promise<ReadonlyMap<string, Buffer>>

/** The wanted modules and all that they need, by name. */
export async function closeModules(
  wanted: readonly string[],
  load: LoadModules,
): Promise<Map<string, Buffer>> {
  const closed = new Map<string, Buffer>()
  let next = wanted.map(moduleName)
  while (next.length > 0) {
    for (const [name, bytes] of await load(next)) closed.set(name, bytes)
    const needed = [...closed.values()].flatMap(readDepends)
    next = [...new Set(needed)].filter((name) => !closed.has(name))
  }
  return new Map([...closed].sort(([left], [right]) => (left < right ? -1 : 1)))
}

/** A modules.dep: each module's file, then those of all that it needs, the last of them to be loaded first. */
export function renderModulesDep(modules: ReadonlyMap<string, Buffer>): string {
  const lines = [...modules.keys()].map((name) => {
    const needed = loadOrder(modules, name).reverse()
    return `${name}.ko:${needed.map((each) => ` ${each}.ko`).join("")}\n`
  })
  return lines.join("")
}

/** A module's name as the kernel writes it. */
export function moduleName(name: string): string {
  return name.replaceAll("-", "_")
}

/** Everything that a module needs, in an order in which it can be loaded. */
function loadOrder(modules: ReadonlyMap<string, Buffer>, name: string): string[] {
  const order: string[] = []
  const visit = (each: string): void => {
    const bytes = modules.get(each)
    if (!bytes) throw new Fault("artifact/no-module", `the kernel module ${each} was not unpacked`)
    for (const next of readDepends(bytes)) {
      if (order.includes(next)) continue
      visit(next)
      order.push(next)
    }
  }
  visit(name)
  return order
}

/** The `depends=` text of a module's .modinfo section. */
function readDepends(bytes: Buffer): string[] {
  const mark = Buffer.from("\0depends=")
  const start = bytes.indexOf(mark)
  if (start === -1) return []
  const text = bytes.toString("latin1", start + mark.length, bytes.indexOf(0, start + mark.length))
  return text === "" ? [] : text.split(",").map(moduleName)
}
