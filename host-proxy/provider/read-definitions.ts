/** Reads all provider definitions from policies/providers/. */

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { type ProviderDefinition, providerDefinition } from "../../contract/provider-definition.ts"
import { parseToml } from "../../contract/toml.ts"

export async function readDefinitions(dir: string): Promise<readonly ProviderDefinition[]> {
  const files = (await readdir(dir)).filter((name) => name.endsWith(".toml")).sort()
  const definitions = await Promise.all(
    files.map(async (name) => {
      const text = await readFile(join(dir, name), "utf8")
      return parseToml({ text, file: `policies/providers/${name}`, stage: "provider" }, providerDefinition)
    }),
  )
  const hosts = definitions.map((definition) => definition.host)
  const twice = hosts.find((host, index) => hosts.indexOf(host) !== index)
  if (twice) throw new Fault("provider/bad-field", `policies/providers: two files define the host ${twice}`)
  return definitions
}
