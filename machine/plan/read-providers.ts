/** Reads `policies/providers/*.toml`: which variables of the guest hold placeholders, and how they begin. */

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { type ProviderDefinition, providerDefinition } from "../../contract/provider-definition.ts"
import { parseToml } from "../../contract/toml.ts"

export async function readProviders(projectDir: string): Promise<readonly ProviderDefinition[]> {
  const folder = join(projectDir, "policies", "providers")
  const names = (await readdir(folder)).filter((name) => name.endsWith(".toml")).sort()
  return Promise.all(
    names.map(async (name) => {
      const file = join(folder, name)
      return parseToml({ text: await readFile(file, "utf8"), file, stage: "provider" }, providerDefinition)
    }),
  )
}
