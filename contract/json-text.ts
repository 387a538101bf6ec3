/** JSON for a terminal or a file: the same value, with nothing in it that steers the one or reorders the other. */

/** With a line break at its end. `indent` 0: all in one line. */
export function jsonText(value: unknown, indent = 2): string {
  const text = JSON.stringify(value, null, indent)
  // JSON itself escapes what lies below the space; the rest of the controls and marks of direction it leaves
  const safe = text.replace(/[\u007f-\u009f\u2028\u2029]|\p{Cf}/gu, (one) =>
    one.split("").map(spell).join(""),
  )
  return `${safe}\n`
}

/** Of one unit of UTF-16, as JSON spells it. */
function spell(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`
}
