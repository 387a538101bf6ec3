/** What a registry is shown so that it answers: a password, or a token got for it. Never shown to another host. */

import { z } from "zod"
import { Fault } from "../../../contract/fault.ts"
import { type Challenge, parseChallenge } from "./challenge.ts"
import type { Credential } from "./docker-config.ts"
import { readText } from "./read-answer.ts"
import type { HttpAnswer, Transport } from "./transport.ts"

export interface Authority {
  /** The value of `Authorization` for a scope such as `repository:base:pull`; null as long as none was asked for. */
  header(scope: string): string | null
  /** Meets the challenge of a 401. False: what was shown is all there is. Faults: `registry/denied`, `registry/helper`. */
  meet(refusal: Refusal, signal: AbortSignal): Promise<boolean>
}

export interface Refusal {
  readonly scope: string
  /** What the refused request showed; null: nothing. */
  readonly shown: string | null
  readonly answer: HttpAnswer
}

const MAX_TOKEN_BYTES = 1 << 20
const tokenAnswer = z.looseObject({ token: z.string().optional(), access_token: z.string().optional() })
const CLIENT = "stereo"

/** `credential`: for the registry at `origin`; read when the registry first asks for one. */
export function openAuthority(
  transport: Transport,
  origin: URL,
  credential: () => Promise<Credential>,
): Authority {
  const headers = new Map<string, string>()
  /** Requests side by side are refused side by side, and one token is enough for all. */
  const pending = new Map<string, Promise<string>>()
  let basic: string | null = null
  const header = (scope: string) => headers.get(scope) ?? basic
  const fetchToken = async (challenge: BearerChallenge, scope: string, signal: AbortSignal) => {
    const token = getToken(transport, origin, challenge, scope, await credential(), signal)
    return `Bearer ${await token}`
  }
  return {
    header,
    async meet({ scope, shown, answer }, signal) {
      // another request has met it meanwhile
      if (header(scope) !== shown) return true
      const challenge = parseChallenge(answer.headers["www-authenticate"] ?? "")
      if (challenge === null) return false
      if (challenge.scheme === "bearer") {
        const token = pending.get(scope) ?? fetchToken(challenge, scope, signal)
        pending.set(scope, token)
        headers.set(scope, await token.finally(() => pending.delete(scope)))
        return true
      }
      const known = await credential()
      if (known.kind === "helper") throw unusableHelper(origin, known.program)
      if (known.kind !== "password" || shown === basicHeader(known)) return false
      basic = basicHeader(known)
      return true
    },
  }
}

type BearerChallenge = Extract<Challenge, { scheme: "bearer" }>

async function getToken(
  transport: Transport,
  origin: URL,
  challenge: BearerChallenge,
  scope: string,
  credential: Credential,
  signal: AbortSignal,
): Promise<string> {
  const realm = readRealm(transport, origin, challenge.realm)
  // where a service for several registries gives tokens, both are asked for by their names
  const scopes = scope.split(" ")
  const fields: [string, string][] = [
    ...(challenge.service === null ? [] : [["service", challenge.service] satisfies [string, string]]),
    ...scopes.map((one) => ["scope", one] satisfies [string, string]),
  ]
  const answer = await askForToken(transport, realm, fields, credential, signal)
  const text = await readText(answer, MAX_TOKEN_BYTES)
  // no fault: the request that wanted it is tried again as a whole
  if (answer.status === 429 || answer.status >= 500)
    throw new Error(`${realm.origin} gives no token: status ${answer.status}`)
  if (answer.status !== 200) {
    if (credential.kind === "helper") throw unusableHelper(origin, credential.program)
    throw new Fault(
      "registry/denied",
      `${realm.origin} gives no token for ${scope}: status ${answer.status}`,
      {
        hint: `log in: docker login ${origin.host}, or skopeo login --authfile ~/.docker/config.json ${origin.host}`,
      },
    )
  }
  const parsed = tokenAnswer.safeParse(parseJson(text))
  const token = parsed.success ? (parsed.data.token ?? parsed.data.access_token) : undefined
  // what goes into a header must not end it
  if (token !== undefined && /^[\x21-\x7e]+$/.test(token)) return token
  throw new Fault("registry/bad-answer", `${realm.origin}${realm.pathname} answered without a token`)
}

function askForToken(
  transport: Transport,
  realm: URL,
  fields: readonly [string, string][],
  credential: Credential,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  if (credential.kind === "identity") {
    const form = new URLSearchParams([
      ...[
        ...fields,
        ["grant_type", "refresh_token"],
        ["refresh_token", credential.token],
        ["client_id", CLIENT],
      ],
    ] as [string, string][]) // spread of pairs: TypeScript sees string[][]
    const headers = { "content-type": "application/x-www-form-urlencoded" }
    return transport.send({ method: "POST", url: realm, headers, body: Buffer.from(form.toString()), signal })
  }
  const url = new URL(realm)
  for (const [name, value] of fields) url.searchParams.append(name, value)
  const headers: Record<string, string> =
    credential.kind === "password" ? { authorization: basicHeader(credential) } : {}
  return transport.send({ method: "GET", url, headers, body: null, signal })
}

/** The registry names it and it gets the password, so it may be no less protected than the registry itself. */
function readRealm(transport: Transport, origin: URL, text: string): URL {
  const realm = URL.canParse(text) ? new URL(text) : null
  if (realm === null || (origin.protocol === "https:" && realm.protocol !== "https:")) {
    throw new Fault(
      "registry/bad-answer",
      `${origin.host} names ${JSON.stringify(text.slice(0, 200))} as where tokens are given`,
      {
        hint: "expected an https URL",
      },
    )
  }
  transport.check(realm)
  return realm
}

function basicHeader({ user, password }: { readonly user: string; readonly password: string }): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`
}

function unusableHelper(origin: URL, program: string): Fault {
  return new Fault(
    "registry/helper",
    `the credentials for ${origin.host} are kept by ${program}, which stereo does not start`,
    {
      hint: `write them to a file of their own: skopeo login --authfile FOLDER/config.json ${origin.host}, then DOCKER_CONFIG=FOLDER`,
    },
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    return thrown instanceof Error ? null : thrown
  }
}
