/** Which paths the gateway takes at all, read a character at a time: so that an example is a request that can be sent. */

/** `begin`, `bad`, or what the last segment holds so far (`start`, `dot`, `dots`, `text`) and a half-read escape. */
export type PlainState = string

export const PLAIN_START: PlainState = "begin"

/** No doubled slash, no dot segment, no broken escape and none of a dot, backslash, NUL or percent sign. */
export function stepPlain(state: PlainState, character: string): PlainState {
  if (state === "bad") return "bad"
  if (state === "begin") return character === "/" ? "start" : "bad"
  const [segment = "", half] = state.split("%")
  if (half !== undefined) return stepEscape(segment, half, character)
  if (character === "%") return `${segment}%`
  if (character === "/") return endSegment(segment)
  if (character === ";" && isDots(segment)) return "bad"
  if (character === ".") return segment === "start" ? "dot" : segment === "dot" ? "dots" : "text"
  return "text"
}

export function isPlain(state: PlainState): boolean {
  return state !== "bad" && state !== "begin" && !state.includes("%") && !isDots(state)
}

function stepEscape(segment: string, half: string, character: string): PlainState {
  if (!/[0-9a-f]/i.test(character)) return "bad"
  if (half === "") return `${segment}%${character}`
  const pair = `${half}${character}`.toLowerCase()
  if (["2e", "5c", "00", "25"].includes(pair)) return "bad"
  return pair === "2f" ? endSegment(segment) : "text"
}

function endSegment(segment: string): PlainState {
  return segment === "start" || isDots(segment) ? "bad" : "start"
}

function isDots(segment: string): boolean {
  return segment === "dot" || segment === "dots"
}
