/** What a command may know of the process it runs in: read once, in main.ts, and passed on. */

import type { Home } from "../contract/home.ts"
import type { Progress } from "../contract/progress.ts"

export interface CliContext {
  readonly home: Home
  /** The folder that holds images/, policies/ and the sources. */
  readonly projectDir: string
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly progress: Progress
  /** Aborted on the first SIGINT, SIGTERM or SIGHUP; the second ends the process at once. */
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Writes to standard output. */
  readonly print: (text: string) => void
  /** Sets the process's exit code, which scripts read. */
  readonly exitWith: (code: number) => void
}
