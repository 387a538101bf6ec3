/** Reads what a guest says that it is, line by line, each bounded in size; a guest that says too much waits. */

import type { ClientHttp2Session } from "node:http2"
import { type MeasurementLine, measurementLine } from "../../contract/measurement.ts"
import type { Pace } from "../pace.ts"

export interface MeasurementReader {
  readonly take: (line: MeasurementLine) => void
  /** What a guest may say, in bytes. */
  readonly pace: Pace
  readonly signal: AbortSignal
}

const MAX_LINE_BYTES = 1024 * 1024

/** Follows until the stream ends, which is always an error: the guest's list has no end. */
export async function readMeasurements(
  session: ClientHttp2Session,
  reader: MeasurementReader,
): Promise<never> {
  const stream = session.request({ ":path": "/measurements" }, { endStream: true, signal: reader.signal })
  stream.on("error", () => stream.close()) // the iteration below throws it
  let status = 0
  stream.once("response", (headers) => {
    status = Number(headers[":status"])
  })
  const lines = new LineParts()
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (status !== 200)
        throw new Error(`the guest answered ${status || "nothing"} when it was asked to measure`)
      await reader.pace(chunk.length)
      for (const line of lines.feed(chunk)) reader.take(parseLine(line))
    }
  } finally {
    stream.close()
  }
  throw new Error(`the guest's measurements ended${status === 200 ? "" : ` with ${status}`}`)
}

/** Parts of a line wait unjoined until it is whole, so that one which drips is joined once. */
class LineParts {
  #parts: Buffer[] = []
  #bytes = 0

  /** The lines that are whole now. */
  feed(chunk: Buffer): string[] {
    const whole: string[] = []
    let from = 0
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
      this.#keep(chunk.subarray(from, end))
      whole.push(Buffer.concat(this.#parts).toString("utf8"))
      this.#parts = []
      this.#bytes = 0
      from = end + 1
    }
    this.#keep(chunk.subarray(from))
    return whole
  }

  #keep(part: Buffer): void {
    this.#bytes += part.length
    if (this.#bytes > MAX_LINE_BYTES) throw new Error(`a measurement is longer than ${MAX_LINE_BYTES} bytes`)
    if (part.length > 0) this.#parts.push(part)
  }
}

function parseLine(text: string): MeasurementLine {
  const parsed = measurementLine.safeParse(JSON.parse(text))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new Error(`a measurement is not understood: ${issue?.path.join(".")}: ${issue?.message}`)
}
