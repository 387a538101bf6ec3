/** Reads server-sent events out of a whole or cut body. */

import { asObject, type Json } from "./json.ts"

export interface StreamEvent {
  /** The `event:` field, or the data's own `type`. */
  readonly type: string
  readonly data: Json
}

/** Events whose data is a JSON object, and whether `data: [DONE]` came. An event that is cut off is not one. */
export function readEvents(text: string): {
  readonly events: readonly StreamEvent[]
  readonly done: boolean
} {
  const events: StreamEvent[] = []
  let done = false
  const frames = text.split(/\r\n\r\n|\n\n|\r\r/)
  for (const frame of frames) {
    const { name, data } = readFrame(frame)
    if (data === "[DONE]") done = true
    const parsed = parseObject(data)
    if (parsed) events.push({ type: name ?? String(parsed["type"] ?? ""), data: parsed })
  }
  return { events, done }
}

function readFrame(frame: string): { readonly name: string | null; readonly data: string } {
  let name: string | null = null
  const data: string[] = []
  for (const line of frame.split(/\r\n|\n|\r/)) {
    const field = /^(event|data): ?(.*)$/s.exec(line)
    if (field?.[1] === "event") name = field[2] ?? null
    if (field?.[1] === "data") data.push(field[2] ?? "")
  }
  return { name, data: data.join("\n").trim() }
}

function parseObject(text: string): Json | null {
  if (!text.startsWith("{")) return null
  try {
    return asObject(JSON.parse(text))
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return null // the last event of a stream that was cut
    throw thrown
  }
}
