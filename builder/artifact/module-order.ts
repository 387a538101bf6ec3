/** Finds the order in which kernel modules can be loaded: what one depends on comes before it. */

import { Fault } from "../../contract/fault.ts"

/** `modules` maps names (underscores) to the bytes of the .ko; `wanted` keeps its order where it can. */
export function orderModules(modules: ReadonlyMap<string, Buffer>, wanted: readonly string[]): string[] {
  const order: string[] = []
  const visit = (name: string, neededBy: string | null): void => {
    if (order.includes(name)) return
    const bytes = modules.get(name)
    if (!bytes) throw noModule(name, neededBy)
    for (const dependency of dependenciesOf(bytes)) visit(dependency, name)
    order.push(name)
  }
  for (const name of wanted) visit(moduleName(name), null)
  return order
}

/** A module's name as the kernel writes it. */
export function moduleName(name: string): string {
  return name.replaceAll("-", "_")
}

/** The `depends=` text of a module's .modinfo section. */
export function dependenciesOf(bytes: Buffer): string[] {
  const mark = Buffer.from("\0depends=")
  const start = bytes.indexOf(mark)
  if (start === -1) return []
  const end = bytes.indexOf(0, start + mark.length)
  const text = bytes.toString("latin1", start + mark.length, end)
  return text === "" ? [] : text.split(",").map(moduleName)
}

function noModule(name: string, neededBy: string | null): Fault {
  const by = neededBy === null ? "[kernel] modules of the image" : `the module ${neededBy}`
  return new Fault("artifact/no-module", `${by} names ${name}, which the kernel package does not have`, {
    hint: "it may be built in (then take it out of the list) or have another name",
  })
}
