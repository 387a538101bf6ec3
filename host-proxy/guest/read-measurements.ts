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
  let rest = Buffer.alloc(0)
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      if (status !== 200)
        throw new Error(`the guest answered ${status || "nothing"} when it was asked to measure`)
      await reader.pace(chunk.length)
      const parts = Buffer.concat([rest, chunk]).toString("latin1").split("\n")
      rest = Buffer.from(parts.pop() ?? "", "latin1")
      for (const part of parts) reader.take(parseLine(Buffer.from(part, "latin1").toString("utf8")))
      if (rest.length > MAX_LINE_BYTES)
        throw new Error(`a measurement is longer than ${MAX_LINE_BYTES} bytes`)
    }
  } finally {
    stream.close()
  }
  throw new Error(`the guest's measurements ended${status === 200 ? "" : ` with ${status}`}`)
}

function parseLine(text: string): MeasurementLine {
  const parsed = measurementLine.safeParse(JSON.parse(text))
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]
  throw new Error(`a measurement is not understood: ${issue?.path.join(".")}: ${issue?.message}`)
}
