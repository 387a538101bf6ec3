/** The one error that stereo throws on purpose: what was wrong, where, what was expected, what to do. */

export interface FaultDetail {
  /** What the reader can do about it, as a command or a sentence. */
  readonly hint?: string
  readonly cause?: unknown
}

/**
 * An unexpected outcome, printed once, in `main.ts`. `code` is `stage/what-is-wrong` and stable,
 * so that scripts and tests can rely on it; the message may change.
 */
export class Fault extends Error {
  readonly code: string
  readonly hint: string | undefined

  constructor(code: string, message: string, detail: FaultDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.name = "Fault"
    this.code = code
    this.hint = detail.hint
  }
}

/** The message of anything that was thrown, for use inside another message. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
