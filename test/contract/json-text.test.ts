import { expect, it } from "vitest"
import { jsonText } from "../../contract/json-text.ts"

it("JSON that is printed holds no character that steers a terminal or reorders a line", () => {
  const evil = {
    "\u009b2J": ["\u001b[2J\u007f\u0085\u009b31m", "\u202egnp\u2066", "a\u2028b\ufeff\u{e0041}"],
  }
  const text = jsonText(evil)
  expect(JSON.parse(text)).toEqual(evil)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]|\p{Cf}/u)
  expect(jsonText({ a: "ü€" }, 0)).toBe('{"a":"ü€"}\n')
})
