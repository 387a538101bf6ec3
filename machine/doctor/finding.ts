/** One thing that was looked at on this host. */

export interface Finding {
  readonly subject: string
  /** `fail`: machines or builds cannot work; `warn`: they work, and it should be known. */
  readonly status: "ok" | "warn" | "fail"
  /** What was seen. */
  readonly found: string
  /** What that means. */
  readonly meaning: string
  /** What to type, or null when nothing needs doing. */
  readonly fix: string | null
}
