import ssh2 from "ssh2"
import { describe, expect, it } from "vitest"
import { mintSecrets } from "../../machine/plan/mint-secrets.ts"

describe("the keys of a machine", () => {
  it("can always be read again, over two thousand pairs of which ssh2 alone spoils about seven", () => {
    const minted = Array.from({ length: 1000 }, () => mintSecrets([]).ssh)
    const texts = minted.flatMap((ssh) => Object.values(ssh))
    expect(texts.filter((text) => ssh2.utils.parseKey(text) instanceof Error)).toEqual([])
    expect(new Set(texts).size).toBe(4000)
  })
})
