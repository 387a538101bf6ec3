/** Which paths the gateway takes at all, read a sign at a time: so that an example is a request that can be sent. */

/** What the last segment holds so far; `begin` before the first slash, `bad` for ever. */
export type PlainState = "begin" | "bad" | "start" | "dot" | "dots" | "text"

/** No doubled slash, no dot segment, no encoded dot, backslash, NUL or percent sign. */
export function stepPlain(state: PlainState, sign: string): PlainState {
  if (state === "bad") return "bad"
  if (state === "begin") return sign === "/" ? "start" : "bad"
  const dots = state === "dot" || state === "dots"
  if (sign === "/" || sign === "%2f") return state === "start" || dots ? "bad" : "start"
  if (sign === ";" && dots) return "bad"
  if (["%2e", "%5c", "%00", "%25"].includes(sign)) return "bad"
  if (sign !== ".") return "text"
  return state === "start" ? "dot" : state === "dot" ? "dots" : "text"
}

export function isPlain(state: PlainState): boolean {
  return state === "start" || state === "text"
}
