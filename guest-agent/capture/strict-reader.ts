/**
 * Reads a client's bytes as HTTP/1.1 before Node's parser sees them, which forgives more than one reader may:
 * only whole heads and plainly framed bodies go on, and the first thing that is odd ends the connection.
 */

import { type BodyPlan, StrictHead, type WireProblem } from "./strict-head.ts"

export interface Fed {
  /** What may go on to the parser. */
  readonly pass: readonly Buffer[]
  /** Then nothing more is read. */
  readonly problem: WireProblem | null
  /** What came behind a head that leaves HTTP; null while HTTP goes on. */
  readonly left: Buffer | null
}

const MAX_HEAD_BYTES = 65_536
/** Eight hexadecimal digits and a line's end. */
const MAX_SIZE_LINE = 10

type Step =
  | { readonly at: "head" }
  | { readonly at: "body"; readonly bytes: number; readonly next: "head" | "chunk-end" }
  | { readonly at: "chunk-size" | "chunk-end" | "last-end" | "over" }

export class StrictReader {
  #step: Step = { at: "head" }
  #head = new StrictHead()
  /** Of a line or a head that is not whole yet. */
  #kept: Buffer = Buffer.alloc(0)
  /** Where in `#kept` the first line lies that has not been taken. */
  #lineAt = 0
  /** The message that was read last is to be the connection's last one. */
  #last = false

  /** A head has begun and is not whole: someone waits for its rest. */
  get isInsideHead(): boolean {
    return this.#step.at === "head" && this.#kept.length > 0
  }

  feed(chunk: Buffer): Fed {
    const pass: Buffer[] = []
    let rest = chunk
    while (rest.length > 0 && this.#step.at !== "over") {
      const taken = this.#take(rest, pass)
      if ("problem" in taken) return { pass, problem: this.#end(taken), left: null }
      if (taken.left) return { pass, problem: null, left: taken.rest }
      rest = taken.rest
    }
    return { pass, problem: null, left: null }
  }

  #end(problem: WireProblem): WireProblem {
    this.#step = { at: "over" }
    return problem
  }

  #take(chunk: Buffer, pass: Buffer[]): WireProblem | { readonly rest: Buffer; readonly left?: true } {
    const step = this.#step
    switch (step.at) {
      case "head":
        return this.#takeHead(chunk, pass)
      case "body": {
        const part = chunk.subarray(0, step.bytes)
        pass.push(part)
        const bytes = step.bytes - part.length
        if (bytes > 0) this.#step = { ...step, bytes }
        else this.#step = { at: step.next }
        return { rest: chunk.subarray(part.length) }
      }
      case "chunk-size":
      case "chunk-end":
      case "last-end":
        return this.#takeChunkLine(step.at, chunk, pass)
      case "over":
        return { rest: Buffer.alloc(0) }
      default:
        throw new Error(`no such step: ${JSON.stringify(step satisfies never)}`)
    }
  }

  #takeHead(chunk: Buffer, pass: Buffer[]): WireProblem | { readonly rest: Buffer; readonly left?: true } {
    if (this.#last) return bad("more comes behind a message that was to be the last one")
    const before = this.#kept.length
    this.#kept = Buffer.concat([this.#kept, chunk.subarray(0, MAX_HEAD_BYTES + 1 - before)])
    for (let end = this.#kept.indexOf(10, before); end >= 0; end = this.#kept.indexOf(10, end + 1)) {
      if (end === 0 || this.#kept[end - 1] !== 13) return bad("a line of the head ends in a bare LF")
      const plan = this.#head.takeLine(this.#kept.toString("latin1", this.#lineAt, end - 1))
      this.#lineAt = end + 1
      if (plan === null) continue
      if ("problem" in plan) return plan
      pass.push(this.#kept.subarray(0, end + 1))
      this.#kept = Buffer.alloc(0)
      this.#begin(plan)
      const rest = chunk.subarray(end + 1 - before)
      return this.#step.at === "over" ? { rest, left: true } : { rest }
    }
    if (this.#kept.length > MAX_HEAD_BYTES) return { status: 431, problem: "the head is longer than 64 KiB" }
    // at once, not at the line's end: what speaks no HTTP may never send one
    if (!/^[\t -~]*\r?$/.test(this.#kept.toString("latin1", this.#lineAt)))
      return bad("the head holds a control character or a byte that is not ASCII")
    return { rest: chunk.subarray(chunk.length) }
  }

  /** After a head: what its body is, and where the next head's first line will begin. */
  #begin(plan: BodyPlan): void {
    this.#last = this.#head.isLast
    this.#head = new StrictHead()
    this.#lineAt = 0
    if (plan.kind === "chunked") this.#step = { at: "chunk-size" }
    else if (plan.kind !== "length") this.#step = { at: "over" }
    else if (plan.bytes > 0) this.#step = { at: "body", bytes: plan.bytes, next: "head" }
  }

  #takeChunkLine(
    at: "chunk-size" | "chunk-end" | "last-end",
    chunk: Buffer,
    pass: Buffer[],
  ): WireProblem | { readonly rest: Buffer } {
    const before = this.#kept.length
    const line = Buffer.concat([this.#kept, chunk.subarray(0, MAX_SIZE_LINE + 1 - before)])
    const end = line.indexOf(10)
    const text = line.toString("latin1", 0, end < 0 ? line.length : end + 1)
    const whole = at === "chunk-size" ? /^[0-9A-Fa-f]{1,8}\r\n$/ : /^\r\n$/
    const begun = at === "chunk-size" ? /^[0-9A-Fa-f]{1,8}\r?$/ : /^\r?$/
    if (end < 0 && begun.test(text)) {
      this.#kept = line
      return { rest: chunk.subarray(line.length - before) }
    }
    if (!whole.test(text)) return bad(PROBLEMS[at])
    pass.push(line.subarray(0, end + 1))
    this.#kept = Buffer.alloc(0)
    this.#step = afterLine(at, text)
    return { rest: chunk.subarray(end + 1 - before) }
  }
}

const PROBLEMS = {
  "chunk-size": "a chunk's size is not plain hexadecimal, or has an extension",
  "chunk-end": "a chunk is not as long as it says",
  "last-end": "the body ends in trailers, which are not passed on",
} as const

function afterLine(at: "chunk-size" | "chunk-end" | "last-end", text: string): Step {
  if (at === "last-end") return { at: "head" }
  if (at === "chunk-end") return { at: "chunk-size" }
  const bytes = Number.parseInt(text, 16)
  return bytes === 0 ? { at: "last-end" } : { at: "body", bytes, next: "chunk-end" }
}

function bad(problem: string): WireProblem {
  return { status: 400, problem }
}
