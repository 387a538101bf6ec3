import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { encodeForSigning, openEnvelope, renderEnvelope } from "../../trust/dsse/envelope.ts"
import { toPublicKey } from "../../trust/public-key.ts"
import { parseStrictJson } from "../../trust/strict-json.ts"
import { runProperty } from "../fuzz/run-property.ts"

const TYPE = "application/vnd.in-toto+json"
const pair = generateKeyPairSync("ed25519")
const key = toPublicKey(pair.publicKey, "own", "test")
const stranger = generateKeyPairSync("ed25519")
const payload = Buffer.from('{"_type":"x"}')

function seal(by = pair, type = TYPE, keyId = key.id): string {
  return renderEnvelope(type, payload, sign(null, encodeForSigning(type, payload), by.privateKey), keyId)
}

describe("what is signed", () => {
  it("is DSSE's encoding, with the example that its specification gives", () => {
    const bytes = encodeForSigning("http://example.com/HelloWorld", Buffer.from("hello world"))
    expect(bytes.toString()).toBe("DSSEv1 29 http://example.com/HelloWorld 11 hello world")
  })

  it("counts bytes, not characters", () => {
    expect(encodeForSigning("ä", Buffer.from("ö")).toString()).toBe("DSSEv1 2 ä 2 ö")
  })

  it("differs for any two pairs of type and payload", () => {
    const text = fc.string({ unit: "binary", maxLength: 12 })
    return runProperty(
      fc.property(text, text, text, text, (type, body, otherType, otherBody) => {
        const same = type === otherType && body === otherBody
        const left = encodeForSigning(type, Buffer.from(body))
        const right = encodeForSigning(otherType, Buffer.from(otherBody))
        // text that is no UTF-16 has no bytes of its own
        fc.pre(
          type.isWellFormed() && body.isWellFormed() && otherType.isWellFormed() && otherBody.isWellFormed(),
        )
        return left.equals(right) === same
      }),
    )
  })
})

describe("an envelope", () => {
  it("opens with the key that signed it", () => {
    expect(openEnvelope(seal(), TYPE, [key])).toMatchObject({ kind: "signed", payload, key: { id: key.id } })
  })

  it("opens when one of its signatures is by a trusted key, whatever ids it names", () => {
    const document = JSON.parse(seal(pair, TYPE, "somebody"))
    const other = JSON.parse(seal(stranger, TYPE, "0".repeat(64)))
    document.signatures.unshift(...other.signatures)
    expect(openEnvelope(JSON.stringify(document), TYPE, [key]).kind).toBe("signed")
  })

  it.each([
    ["a signature by an unknown key", seal(stranger, TYPE, "f".repeat(64)), "unknown-key"],
    ["an unknown key that names a trusted one's id", seal(stranger), "bad-signature"],
    ["another payload type, rightly signed", seal(pair, "application/vnd.other+json"), "wrong-payload-type"],
    ["the type written over", seal(pair, "text/x").replace("text/x", TYPE), "bad-signature"],
    ["another payload", seal().replace(payload.toString("base64"), "e30="), "bad-signature"],
    ["no signature", seal().replace(/"signatures":\[.*\]/, '"signatures":[]'), "bad-envelope"],
    ["a signature cut short", seal().replace(/"sig":"...../, '"sig":"'), "bad-envelope"],
    ["an unknown key in it", seal().replace("{", '{"extra":1,'), "bad-envelope"],
    ["its payload twice", seal().replace("{", '{"payload":"e30=",'), "bad-envelope"],
    [
      "its payload twice, once spelt otherwise",
      seal().replace("{", '{"p\\u0061yload":"e30=",'),
      "bad-envelope",
    ],
    [
      "base64 that is not in its one form",
      seal().replace(/"payload":"(\w)/, '"payload":"\\n$1'),
      "bad-envelope",
    ],
    ["no JSON", "not json", "bad-envelope"],
    ["a list", "[]", "bad-envelope"],
    ["nothing", "", "bad-envelope"],
  ])("with %s is refused as it should be", (_what, text, kind) => {
    expect(openEnvelope(text, TYPE, [key])).toMatchObject({ kind, reason: expect.stringMatching(/./) })
  })

  it("opens for nobody who trusts no key", () => {
    expect(openEnvelope(seal(), TYPE, []).kind).toBe("unknown-key")
  })

  it("opens after no change of any one byte", () => {
    const text = seal()
    return runProperty(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 32, max: 126 }), (at, code) => {
        const changed = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1)
        const opened = openEnvelope(changed, TYPE, [key])
        // the id is a hint, and white space means nothing
        if (opened.kind === "signed") expect(opened.payload).toEqual(payload)
      }),
    )
  })
})

describe("strict JSON", () => {
  it("gives what JSON.parse gives, for whatever has no key twice", () => {
    return runProperty(
      fc.property(fc.json({ maxDepth: 4 }), (text) => {
        const value: unknown = JSON.parse(text)
        expect(parseStrictJson(JSON.stringify(value))).toEqual({ kind: "value", value })
      }),
    )
  })

  it("refuses a key that stands twice, wherever it is", () => {
    const names = fc.string({ unit: "grapheme", maxLength: 5 })
    return runProperty(
      fc.property(names, fc.jsonValue({ maxDepth: 2 }), fc.jsonValue({ maxDepth: 2 }), (name, one, other) => {
        const twice = `{${JSON.stringify(name)}:${JSON.stringify(one)},"x y":[],${JSON.stringify(name)}:${JSON.stringify(other)}}`
        for (const text of [twice, `[1,${twice}]`, `{"a":{"b":${twice}},"c":"\\"{"}`]) {
          expect(parseStrictJson(text).kind).toBe("refused")
        }
      }),
    )
  })

  it("lets the same key stand in two objects", () => {
    expect(parseStrictJson('[{"a":{"a":"a"}},{"a":"{\\"a\\":1,\\"a\\":2}"}]').kind).toBe("value")
  })

  it.each([
    ["letters", "A"],
    ["escapes", '\\"'],
  ])("has an answer for a string of many megabytes, of %s", (_what, piece) => {
    const long = `"${piece.repeat((12 << 20) / piece.length)}"`
    expect(parseStrictJson(`{"a":${long},"b":1}`).kind).toBe("value")
    expect(parseStrictJson(`{"a":${long},"a":1}`).kind).toBe("refused")
  })

  it("refuses what is nested without end", () => {
    expect(parseStrictJson(`${"[".repeat(100)}${"]".repeat(100)}`)).toMatchObject({ kind: "refused" })
  })
})

it("a key other than Ed25519 is refused", () => {
  const rsa = generateKeyPairSync("ec", { namedCurve: "P-256" })
  expect(() => toPublicKey(rsa.publicKey, "x", "x.pub")).toThrow(/expected Ed25519/)
  expect(createPrivateKey(rsa.privateKey.export({ type: "pkcs8", format: "pem" })).type).toBe("private")
})
