/** What the witnesses saw: the documents that the judge reads, each made outside the guest. */

/** Something that reached a canary. */
export interface Touch {
  readonly protocol: "tcp" | "tls" | "udp" | "upstream"
  /** The address that was meant, and its port. */
  readonly address: string
  readonly port: number
  /** The first bytes, in Latin-1. */
  readonly text: string
}

/** A question to the DNS sink. */
export interface Question {
  readonly name: string
  readonly type: number
}

/** A row of the archive as far as a verdict needs it. */
export interface ArchivedCall {
  readonly method: string
  readonly authority: string
  readonly target: string
  /** JSON array of names and values. */
  readonly headers: string
  readonly status: number | null
  readonly outcome: string
  readonly rule: string | null
  readonly requestBytes: number
  /** Whether the answer's body said rule, reason and how to ask; null where it was not stereo's own. */
  readonly explained: boolean | null
  readonly startedAtMs: number
}

/** What the guest says of an attempt: shown, never judged by, except that without it nothing was tried. */
export interface Report {
  readonly ms: number
  readonly remark: string
}

export interface Evidence {
  readonly report: Report | null
  /** Frames on QEMU's wire that belong to it and are not the proxy's own. */
  readonly frames: readonly string[]
  readonly touches: readonly Touch[]
  readonly questions: readonly Question[]
  readonly calls: readonly ArchivedCall[]
  /** What its processes had won when the inspector looked. */
  readonly gains: readonly string[]
  /** What does not belong into QEMU's network namespace; the same for each case of a part. */
  readonly namespace: readonly string[]
  /** A fact of the host that is not as promised; null: it is. */
  readonly hostFact: string | null
}
