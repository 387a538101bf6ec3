/** One call to AWS until it is answered for good: what passes is tried again, what does not is a fault in words. */

import { setTimeout as delay } from "node:timers/promises"
import { Fault, reasonOf } from "../../contract/fault.ts"

export interface CallOptions {
  readonly signal: AbortSignal
  /** What was made just now may not be known everywhere yet: ask again when it is not found. */
  readonly young?: boolean
  /** Told of each answer that asks for fewer calls. */
  readonly throttled?: () => void
  /** Told of each attempt of which nobody knows whether it was carried out. */
  readonly unanswered?: () => void
}

/** With the waits below about two minutes on average, which is how long a new snapshot may stay unknown. */
const ATTEMPTS = 14
const FIRST_WAIT_MS = 150
const LONGEST_WAIT_MS = 20_000

const THROTTLED =
  /^(RequestLimitExceeded|Throttl\w*|RequestThrottled\w*|ConcurrentLimitExceededException|EC2ThrottledException|SlowDown|TooManyRequestsException)$/
const NOT_FOUND = /NotFound$|^ResourceNotFoundException$/
const BROKEN = /^(ECONNRESET|ECONNREFUSED|EPIPE|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/
const CREDENTIALS =
  /^(CredentialsProviderError|ExpiredToken\w*|RequestExpired|AuthFailure|UnrecognizedClientException|InvalidClientTokenId|SignatureDoesNotMatch|MissingAuthenticationToken\w*)$/
const FORBIDDEN = /^(UnauthorizedOperation|AccessDenied\w*|OptInRequired)$/

/** `name`: the API's own name of the call. Faults: `ec2/no-credentials`, `ec2/not-allowed`, `ec2/refused`, `ec2/unreachable`. */
export async function callAws<Answer>(
  name: string,
  send: (options: { abortSignal: AbortSignal }) => Promise<Answer>,
  options: CallOptions,
): Promise<Answer> {
  const { signal } = options
  for (let attempt = 1; ; attempt += 1) {
    signal.throwIfAborted()
    try {
      return await send({ abortSignal: signal })
    } catch (thrown) {
      signal.throwIfAborted()
      const kind = classify(thrown)
      const passes =
        kind === "throttled" || kind === "broken" || (kind === "unknown" && options.young === true)
      if (kind === "throttled") options.throttled?.()
      if (kind === "broken") options.unanswered?.()
      if (!passes || attempt === ATTEMPTS) throw explain(name, kind, thrown, attempt)
    }
    // full jitter: whoever was refused at the same moment does not come back at the same moment
    const most = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1))
    await delay(Math.random() * most, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

/** The API's own code of a refusal, such as `InvalidAMIName.Duplicate`; null if the fault is not one. */
export function refusalOf(thrown: unknown): string | null {
  const cause = thrown instanceof Fault ? thrown.cause : null
  return cause instanceof Error && thrown instanceof Fault && thrown.code.startsWith("ec2/")
    ? cause.name
    : null
}

type Kind = "throttled" | "broken" | "unknown" | "credentials" | "forbidden" | "refused"

interface SdkError {
  readonly name: string
  readonly code?: string
  readonly $metadata?: { readonly httpStatusCode?: number }
}

function classify(thrown: unknown): Kind {
  const error = thrown instanceof Error ? (thrown as SdkError) : null // only its optional fields are read
  if (error === null) return "refused"
  const status = error.$metadata?.httpStatusCode ?? 0
  if (THROTTLED.test(error.name) || status === 429 || status === 503) return "throttled"
  if (CREDENTIALS.test(error.name)) return "credentials"
  if (FORBIDDEN.test(error.name)) return "forbidden"
  if (NOT_FOUND.test(error.name)) return "unknown"
  if (status >= 500 || error.name === "TimeoutError" || BROKEN.test(error.code ?? "")) return "broken"
  return "refused"
}

function explain(name: string, kind: Kind, cause: unknown, attempts: number): Fault {
  const reason = describe(cause)
  const fault = (code: string, text: string, hint: string) => new Fault(`ec2/${code}`, text, { hint, cause })
  switch (kind) {
    case "credentials":
      return fault(
        "no-credentials",
        `${name}: no valid AWS credentials: ${reason}`,
        "give them as the AWS tools take them: AWS_PROFILE or --aws-profile, AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, or a role",
      )
    case "forbidden":
      return fault(
        "not-allowed",
        `${name}: these credentials may not do that: ${reason}`,
        "docs/ec2.md lists the permissions that each command needs",
      )
    case "throttled":
    case "broken":
      return fault(
        "unreachable",
        `${name}: no good answer in ${attempts} attempts; the last was: ${reason}`,
        "check --region and --endpoint and the network, then run the command again",
      )
    case "unknown":
    case "refused":
      return fault("refused", `${name}: ${reason}`, "docs/ec2.md tells what stereo asks for, and why")
    default:
      return kind satisfies never
  }
}

/** The SDK's errors often carry their code in the name, and sometimes nothing in the message. */
function describe(cause: unknown): string {
  const text = reasonOf(cause) || "no message"
  return cause instanceof Error && cause.name !== "Error" && !text.includes(cause.name)
    ? `${cause.name}: ${text}`
    : text
}
