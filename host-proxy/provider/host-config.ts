/** Reads `host.toml`: real credentials and where upstreams really are. The only reader of credentials. */

import { readFile, stat } from "node:fs/promises"
import { z } from "zod"
import { Fault } from "../../contract/fault.ts"
import type { ProviderDefinition } from "../../contract/provider-definition.ts"
import { lineOfKey, parseToml } from "../../contract/toml.ts"

const httpUrl = z.url({ protocol: /^https?$/, error: "expected an http:// or https:// address" })

export const hostConfig = z.strictObject({
  providers: z
    .record(
      z.string(),
      z.strictObject({
        /** The real credential. */
        key: z.string().min(8, "expected a credential of at least 8 characters").optional(),
        /** Where the provider is really called, for example a corporate proxy or a fake. */
        upstream: httpUrl.optional(),
      }),
    )
    .default({}),
  /** Other hosts that are really somewhere else. */
  upstream: z
    .array(
      z.strictObject({
        host: z.string().regex(/^[a-z0-9.-]+$/, "expected a lower-case host name"),
        port: z.int().min(1).max(65535).default(443),
        url: httpUrl,
        why: z.string().min(8, "expected a reason of at least 8 characters"),
      }),
    )
    .default([]),
})
export type HostConfig = z.infer<typeof hostConfig>

/**
 * The parsed file, empty when there is none. Faults: `host/open-config`, `host/bad-toml`, `host/bad-field`, and
 * `host/unknown-provider` for a name that no definition has: its credential would silently not be used.
 */
export async function readHostConfig(
  file: string,
  definitions: readonly ProviderDefinition[],
): Promise<HostConfig> {
  const found = await stat(file).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT") return null
    throw thrown
  })
  if (!found) return hostConfig.parse({})
  if ((found.mode & 0o077) !== 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, "0")
    throw new Fault("host/open-config", `${file}: mode is ${mode}, so other users may read the credentials`, {
      hint: `chmod 600 ${file}`,
    })
  }
  const text = await readFile(file, "utf8")
  const config = parseToml({ text, file, stage: "host" }, hostConfig)
  const names = definitions.map(({ name }) => name)
  const unknown = Object.keys(config.providers).find((name) => !names.includes(name))
  if (unknown === undefined) return config
  const line = lineOfKey(text, ["providers", unknown])
  throw new Fault(
    "host/unknown-provider",
    `${file}:${line}: providers.${unknown}: there is no such provider`,
    {
      hint: `known: ${names.join(", ")}; a new one is a file of policies/providers`,
    },
  )
}

/** The real credential of a provider: host.toml comes first, then the environment; null when there is none. */
export function readCredential(
  definition: ProviderDefinition,
  config: HostConfig,
  environment: Readonly<Record<string, string | undefined>>,
): string | null {
  const key = config.providers[definition.name]?.key ?? environment[definition.credential.environment]
  return key === undefined || key.trim() === "" ? null : key.trim()
}
