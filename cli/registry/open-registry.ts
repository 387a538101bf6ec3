/** Makes the client for the registry of a reference, with what the environment says of credentials and proxies. */

import { homedir } from "node:os"
import { join } from "node:path"
import { type Command, InvalidArgumentError } from "commander"
import type { ImageReference } from "../../publish/oci/reference.ts"
import type { RegistryClient } from "../../publish/oci/registry/registry-client.ts"
import type { CliContext } from "../context.ts"

export interface RegistryOptions {
  readonly plainHttp?: boolean
  readonly parallel: number
}

export const REGISTRY_HELP = `
Credentials are those of \`docker login\`: config.json in DOCKER_CONFIG or ~/.docker, or the file REGISTRY_AUTH_FILE.
HTTPS_PROXY, HTTP_PROXY and NO_PROXY are heeded; NODE_EXTRA_CA_CERTS=FILE adds a certificate authority of your own.`

const FIRST_WAIT_MS = 250
const MOST_PARALLEL = 32

export interface OpenRegistry extends AsyncDisposable {
  readonly client: RegistryClient
}

export function addRegistryOptions(command: Command): Command {
  return command
    .option("--parallel <number>", "blobs at once", readParallel, 4)
    .option("--plain-http", "speak to the registry without TLS, also when it is on another machine")
    .option("--json", "print the report as JSON")
}

export async function openRegistry(
  context: CliContext,
  { registry }: ImageReference,
  { plainHttp = false }: RegistryOptions,
): Promise<OpenRegistry> {
  const { environment, now, signal } = context
  const { findOrigin, openTransport } = await import("../../publish/oci/registry/transport.ts")
  const { openAuthority } = await import("../../publish/oci/registry/authority.ts")
  const { openRegistryClient } = await import("../../publish/oci/registry/registry-client.ts")
  const { readCredential } = await import("../../publish/oci/registry/docker-config.ts")
  const variable = (name: string) => environment[name.toLowerCase()] ?? environment[name] ?? ""
  const transport = openTransport({
    plainHttp,
    proxy: { https: variable("HTTPS_PROXY"), http: variable("HTTP_PROXY"), except: variable("NO_PROXY") },
  })
  const origin = await findOrigin(transport, registry, plainHttp, signal)
  const file = credentialsFile(environment)
  const authority = openAuthority(transport, origin, () => readCredential(file, registry))
  return {
    client: openRegistryClient({ origin, transport, authority, now, firstWaitMs: FIRST_WAIT_MS }),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  }
}

function credentialsFile(environment: CliContext["environment"]): string {
  const named = environment["REGISTRY_AUTH_FILE"]
  if (named) return named
  return join(environment["DOCKER_CONFIG"] || join(homedir(), ".docker"), "config.json")
}

function readParallel(text: string): number {
  const number = /^\d{1,3}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= MOST_PARALLEL) return number
  throw new InvalidArgumentError(`Expected a number from 1 to ${MOST_PARALLEL}.`)
}
