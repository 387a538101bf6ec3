/** Credentials for a registry from docker's `config.json`, where `docker login`, podman, skopeo and oras leave them. */

import { readFile } from "node:fs/promises"
import { z } from "zod"
import { Fault, reasonOf } from "../../../contract/fault.ts"

export type Credential =
  | { readonly kind: "none" }
  | { readonly kind: "password"; readonly user: string; readonly password: string }
  /** A refresh token of OAuth 2, which is exchanged for an access token. */
  | { readonly kind: "identity"; readonly token: string }
  /** Kept by a program that stereo does not start. */
  | { readonly kind: "helper"; readonly program: string }

const entry = z.looseObject({
  auth: z.string().optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  identitytoken: z.string().optional(),
})
const dockerConfig = z.looseObject({
  auths: z.record(z.string(), entry).optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
})

/** `host`: with its port, as in a reference. A file that is not there holds none. Fault: `registry/bad-config`. */
export async function readCredential(file: string, host: string): Promise<Credential> {
  const config = await readConfig(file)
  const found = Object.entries(config.auths ?? {}).find(([name]) => hostOf(name) === host)
  const credential = found === undefined ? null : readEntry(found[1], file, host)
  if (credential !== null) return credential
  const helper = config.credHelpers?.[host] ?? config.credsStore
  return helper === undefined ? { kind: "none" } : { kind: "helper", program: `docker-credential-${helper}` }
}

async function readConfig(file: string): Promise<z.infer<typeof dockerConfig>> {
  const text = await readFile(file, "utf8").catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === "ENOENT" || thrown.code === "ENOTDIR") return "{}"
    throw thrown
  })
  try {
    return dockerConfig.parse(JSON.parse(text))
  } catch (thrown) {
    // a parser's message may show what stands there
    const reason = thrown instanceof z.ZodError ? issueOf(thrown) : "it is not JSON"
    throw badConfig(file, reason)
  }
}

function issueOf({ issues }: z.ZodError): string {
  return `${issues[0]?.path.join(".") ?? "(document)"}: ${issues[0]?.message ?? "is not as expected"}`
}

/** Null: the entry only says that a helper has it. */
function readEntry(found: z.infer<typeof entry>, file: string, host: string): Credential | null {
  if (found.identitytoken) return { kind: "identity", token: found.identitytoken }
  if (found.username && found.password) {
    return { kind: "password", user: found.username, password: found.password }
  }
  if (!found.auth) return null
  const text = Buffer.from(found.auth, "base64").toString("utf8")
  const colon = text.indexOf(":")
  if (colon < 1) throw badConfig(file, `auths.${host}.auth is not the base64 of USER:PASSWORD`)
  return { kind: "password", user: text.slice(0, colon), password: text.slice(colon + 1).replace(/\0+$/, "") }
}

/** Keys are written with and without a scheme and a path. */
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/.*$/, "")
}

function badConfig(file: string, reason: string): Fault {
  return new Fault("registry/bad-config", `${file}: ${reasonOf(reason)}`, {
    hint: "log in again with docker, podman, skopeo or oras, or name another folder in DOCKER_CONFIG",
  })
}
