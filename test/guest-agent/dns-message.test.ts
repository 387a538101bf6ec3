import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { DNS_TYPE, parseDnsQuery } from "../../guest-agent/capture/dns-message.ts"
import { answerDns } from "../../guest-agent/capture/dns-server.ts"
import { createSyntheticNames } from "../../guest-agent/capture/synthetic-names.ts"

function query(name: string, type: number = DNS_TYPE.a, flags = 0x0100): Buffer {
  const labels = name.split(".").flatMap((label) => [label.length, ...Buffer.from(label, "latin1")])
  return Buffer.from([
    0xab,
    0xcd,
    flags >> 8,
    flags & 255,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    ...labels,
    0,
    type >> 8,
    type & 255,
    0,
    1,
  ])
}

const code = (answer: Buffer | null): number | undefined => answer?.[3] && answer[3] & 15

describe("the DNS messages", () => {
  it("repeats the question and gives one address, in bytes written by hand", () => {
    const answer = answerDns(query("a.Bc"), createSyntheticNames())
    const question = [1, 0x61, 2, 0x42, 0x63, 0, 0, 1, 0, 1]
    const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 198, 18, 0, 1]
    expect([...(answer ?? [])]).toEqual([
      0xab,
      0xcd,
      0x85,
      0x80,
      0,
      1,
      0,
      1,
      0,
      0,
      0,
      0,
      ...question,
      ...record,
    ])
  })

  it("reads names without regard to case", () => {
    expect(parseDnsQuery(query("API.Example.COM"))).toMatchObject({
      kind: "question",
      name: "api.example.com",
    })
  })

  it.each([
    ["an answer", query("a.b", 1, 0x8000)],
    ["less than a header", Buffer.alloc(11)],
  ])("does not answer %s", (_name, message) => {
    expect(answerDns(message, createSyntheticNames())).toBeNull()
  })

  it.each([
    ["no question", Buffer.from("000100000000000000000000", "hex"), 1],
    ["two questions", Buffer.concat([query("a.b").fill(2, 5, 6)]), 1],
    ["a compression pointer", Buffer.from([...query("a.b").subarray(0, 12), 0xc0, 12, 0, 1, 0, 1]), 1],
    ["a label that ends beyond the message", Buffer.from([...query("a.b").subarray(0, 12), 60, 97]), 1],
    ["a NUL in a name", query("good.example\0.evil"), 1],
    ["a space in a name", query("a b.example"), 1],
    ["a name over 255 bytes", query(Array(50).fill("abcdef").join(".")), 1],
    ["another class", Buffer.from([...query("a.b").subarray(0, -1), 3]), 4],
    ["an update", query("a.b", 1, 0x2800), 4],
  ])("refuses %s", (_name, message, wanted) => {
    const names = createSyntheticNames()
    expect(code(answerDns(message, names))).toBe(wanted)
    expect(names.nameOf("198.18.0.1")).toBeNull()
  })

  it("survives any bytes, and never answers more than was asked", () => {
    const names = createSyntheticNames()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
        const answer = answerDns(Buffer.from(bytes), names)
        expect(answer === null || answer.length <= bytes.length + 16).toBe(true)
      }),
    )
  })
})

describe("the synthetic names", () => {
  it("gives a name the same address while it is in use, and the address its name back", () => {
    const names = createSyntheticNames()
    expect(names.addressOf("a.example")).toEqual(names.addressOf("a.example"))
    expect([...names.addressOf("b.example")]).toEqual([198, 18, 0, 2])
    expect(names.nameOf("198.18.0.2")).toBe("b.example")
  })

  it("forgets the name that went unused for longest, and never gives its address to the next", () => {
    const names = createSyntheticNames(2)
    names.addressOf("a.example")
    names.addressOf("b.example")
    names.addressOf("a.example")
    expect([...names.addressOf("c.example")]).toEqual([198, 18, 0, 3])
    expect(names.nameOf("198.18.0.2")).toBeNull()
    expect(names.nameOf("198.18.0.1")).toBe("a.example")
  })

  it("stays in its range when it has been round once, skipping what is in use", () => {
    const names = createSyntheticNames(3)
    names.addressOf("kept.example")
    for (let count = 0; count < 140_000; count += 1) {
      names.addressOf("kept.example")
      const [first, second] = names.addressOf(`n${count}.example`)
      expect(first === 198 && (second === 18 || second === 19)).toBe(true)
    }
    expect(names.nameOf("198.18.0.1")).toBe("kept.example")
  })

  it.each(["93.184.216.34", "127.0.0.1", "198.20.0.1"])(
    "has no name for %s, which is not its own",
    (address) => {
      const names = createSyntheticNames()
      names.addressOf("a.example")
      expect(names.nameOf(address)).toBeNull()
    },
  )
})
