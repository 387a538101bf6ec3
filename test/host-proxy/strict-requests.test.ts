import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { refusalBody } from "../../contract/verdict.ts"
import { type RawAnswer, RawHttp2 } from "../fakes/raw-http2.ts"
import { type Lab, openLab } from "./lab.ts"
import {
  AUTHORITIES,
  type CorpusCase,
  HEADERS,
  LENGTHS,
  PATHS,
  PLAIN,
  PSEUDO_HEADERS,
} from "./request-corpus.ts"

let lab: Lab
let slowestMs = 0
const rows = async () => (await lab.rows()).slice(before)
let before = 0

beforeAll(async () => {
  lab = await openLab()
})
afterAll(async () => {
  process.stdout.write(`slowest refusal of the corpus on the egress wire: ${slowestMs.toFixed(0)} ms\n`)
  await lab[Symbol.asyncDispose]()
})
beforeEach(async () => {
  before = (await lab.rows()).length
})

async function ask({ pairs, body = [] }: CorpusCase): Promise<RawAnswer> {
  using raw = await RawHttp2.open(lab.files.machine.egressSocket)
  const answer = await raw.ask(
    pairs,
    body.map((part) => Buffer.from(part)),
  )
  slowestMs = Math.max(slowestMs, answer.elapsedMs)
  return answer
}

describe("the corpus's plain request", () => {
  it("is one that leaves, so that each case below differs in one thing only", async () => {
    const answer = await ask(PLAIN)
    expect(answer.body).toContain('"type":"message"')
    expect(lab.provider.requests).toHaveLength(1)
    expect(await rows()).toMatchObject([{ outcome: "complete", status: 200 }])
  })
})

describe.each([
  ["length", LENGTHS],
  ["header", HEADERS],
  ["pseudo-header", PSEUDO_HEADERS],
  ["authority", AUTHORITIES],
  ["path", PATHS],
])("a request whose %s", (_part, cases) => {
  it.each(cases.map((one) => [one.name, one] as const))(
    "is odd (%s) does not leave so",
    async (_name, one) => {
      const sent = lab.provider.requests.length
      const answer = await ask(one)
      const left = lab.provider.requests.slice(sent)
      if (one.dropped) {
        expect(left).toHaveLength(1)
        expect(JSON.stringify(left[0]?.headers)).not.toContain("trace")
        return
      }
      expect(left).toEqual([])
      if (answer.body === "") {
        // HTTP/2 itself was broken: the stream or the session ended before there was a request
        expect(answer.reset ?? answer.goaway).not.toBeNull()
        expect(answer.reset ?? answer.goaway).not.toBe(0)
        return
      }
      const { error } = refusalBody.parse(JSON.parse(answer.body))
      expect(await rows()).toMatchObject([{ id: error.exchange, outcome: "refused", rule: error.rule }])
    },
  )
})
