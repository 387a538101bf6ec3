import { describe, expect, it } from "vitest"
import { refusalBody } from "../../contract/verdict.ts"
import { type GuestAnswer, openGuestControl, openGuestEgress } from "../fakes/guest.ts"
import { callHost, startHost } from "../fakes/host-client.ts"
import { openHostLab } from "../fakes/host-lab.ts"
import { openFakeProvider } from "../fakes/provider.ts"
import { eventually, messagesCall, openLab, readRows } from "./lab.ts"

const SETS = {
  bounded: `
name = "bounded"
why = "uploads of the tests"
owner = "the tests"

[[allow]]
host = "small.example.com"
methods = ["POST"]
paths = ["/*"]
max_request_kib = 64
why = "small bodies only"

[[allow]]
host = "budget.example.com"
methods = ["POST"]
paths = ["/*"]
budget_mib = 1
why = "a megabyte in a run"

[[allow]]
host = "free.example.com"
methods = ["POST", "GET"]
paths = ["/*"]
why = "only the machine's own budget"
`,
}
const KIB = 1024

function labOptions(upstream: string, egressBudgetMib?: number) {
  const hosts = ["small", "budget", "free"].map(
    (name) =>
      `[[upstream]]\nhost = "${name}.example.com"\nurl = "${upstream}"\nwhy = "the provider of this test"`,
  )
  const record = egressBudgetMib === undefined ? {} : { egressBudgetMib }
  return { egressSets: ["bounded"], moreSets: SETS, hostConfig: hosts.join("\n\n"), record }
}

const post = (name: string, bytes: number, headers: Readonly<Record<string, string>> = {}) => ({
  authority: `${name}.example.com`,
  path: "/x",
  headers,
  body: Buffer.alloc(bytes, 97),
})
const errorOf = (answer: GuestAnswer) => refusalBody.parse(JSON.parse(answer.body.toString())).error

async function openBounded(egressBudgetMib?: number, host: Parameters<typeof openLab>[0] = {}) {
  const elsewhere = await openFakeProvider()
  const lab = await openLab({ files: labOptions(elsewhere.url, egressBudgetMib), ...host })
  return {
    ...{ lab, elsewhere },
    async [Symbol.asyncDispose]() {
      await lab[Symbol.asyncDispose]()
      await elsewhere[Symbol.asyncDispose]()
    },
  }
}

describe("a body's size", () => {
  it("is held to what its rule allows, also when no length was announced", async () => {
    await using rig = await openBounded()
    expect((await rig.lab.guest.send(post("small", 60 * KIB))).status).not.toBe(413)
    const tooLarge = await rig.lab.guest.send(post("small", 65 * KIB))
    expect(tooLarge).toMatchObject({ status: 413, headers: { "stereo-verdict": "egress/body-too-large" } })
    expect(errorOf(tooLarge).message).toContain("64 KiB")
    // nothing that looks whole has reached the upstream
    expect(rig.elsewhere.requests).toHaveLength(1)
  })

  it("that its head announces as too large is refused before a byte of it is sent", async () => {
    await using rig = await openBounded()
    const length = 65 * KIB
    const stated = await rig.lab.guest.send(post("small", length, { "content-length": String(length) }))
    expect(stated).toMatchObject({ status: 413, headers: { "stereo-verdict": "egress/body-too-large" } })
    expect((await rig.lab.rows()).at(-1)).toMatchObject({ request_bytes: 0, outcome: "refused" })
    expect(rig.elsewhere.requests).toEqual([])
  })

  it("that is not the one announced is cut: nothing whole is sent upstream", async () => {
    await using rig = await openBounded()
    const short = rig.lab.guest.send(post("free", 10, { "content-length": "20" }))
    await expect(short).rejects.toThrow()
    expect(rig.elsewhere.requests).toEqual([])
  })
})

describe("a budget of bytes", () => {
  it("of a rule cuts the upload that goes over it, names used and limit, and leaves other hosts alone", async () => {
    await using rig = await openBounded()
    expect((await rig.lab.guest.send(post("budget", 700 * KIB))).status).not.toBe(429)
    const over = await rig.lab.guest.send(post("budget", 700 * KIB))
    expect(over).toMatchObject({ status: 429, headers: { "stereo-verdict": "egress/budget" } })
    expect(errorOf(over).message).toMatch(
      /has sent \d\.\d\d of the 1\.00 MiB that egress\/bounded#2 lets it send/,
    )
    expect(errorOf(over).hint).toContain("budget_mib")
    expect(rig.elsewhere.requests).toHaveLength(1)
    expect((await rig.lab.guest.send(post("free", 700 * KIB))).status).not.toBe(429)
  })

  it("of a machine counts heads, too", async () => {
    await using rig = await openBounded(1)
    const call = { method: "GET", authority: "free.example.com", path: `/${"p".repeat(4000)}` }
    const headers = { "x-data": "d".repeat(8000) }
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => rig.lab.guest.send({ ...call, headers })),
    )
    const refused = answers.filter((answer) => answer.status === 429)
    expect(refused.length).toBeGreaterThan(5)
    expect(refused[0] && errorOf(refused[0]).hint).toContain("[egress] budget_mib")
    expect(rig.elsewhere.requests.length).toBe(100 - refused.length)
  })

  it("is not begun anew when the host service is, and masked headers count as what they were", async () => {
    await using elsewhere = await openFakeProvider()
    using lab = openHostLab({ upstream: elsewhere.url, ...labOptions(elsewhere.url, 1) })
    await using _agent = await openGuestControl(lab.machine)
    const send = async (bytes: number, cookie: string) => {
      await using _host = await startHost(lab)
      expect((await callHost(lab.home.hostSocket, "POST", "/machines/lab/attach")).status).toBe(204)
      using guest = await openGuestEgress(lab.machine.egressSocket)
      const answer = await guest.send(post("free", bytes, { cookie }))
      return { answer, row: (await readRows(lab)).at(-1) }
    }
    expect((await send(800 * KIB, "c=1")).row).toMatchObject({ outcome: "complete" })
    const { row } = await send(205 * KIB, `c=${"x".repeat(12_000)}`)
    expect(row?.request_headers).toContain("<masked:12002>")
    // 1005 KiB of bodies and a cookie of 12 KiB, which the archive has masked: ten more are too many
    expect((await send(10 * KIB, "c=1")).answer.headers["stereo-verdict"]).toBe("egress/budget")
    expect((await send(4 * KIB, "c=1")).row).toMatchObject({ outcome: "complete" })
  })
})

describe("a machine that begins too much at once", () => {
  it("waits, and is refused with 429 when too many wait", async () => {
    const limits = { requests: { burst: 2, perSecond: 20, maxWaiting: 5 } }
    await using rig = await openBounded(undefined, { host: { limits } })
    const answers = await Promise.all(Array.from({ length: 15 }, () => rig.lab.guest.send(post("free", 1))))
    const refused = answers.filter((answer) => answer.headers["stereo-verdict"] === "egress/rate")
    expect(refused.length).toBeGreaterThanOrEqual(6)
    expect(refused.every((answer) => answer.status === 429)).toBe(true)
    expect(rig.elsewhere.requests).toHaveLength(15 - refused.length)
  })
})

describe("time", () => {
  it("for a whole call is bounded: it is cut, and the record says why", async () => {
    await using lab = await openLab({ host: { limits: { exchangeMs: 200 } } })
    expect((await lab.guest.send(messagesCall("stall=2"))).complete).toBe(false)
    const row = await eventually(async () => (await lab.rows())[0] ?? null)
    expect(row).toMatchObject({ outcome: "interrupted", upstream_error: "the call was not over after 0.2 s" })
  })

  it("for an upload is bounded: one that drips is refused with 408", async () => {
    await using rig = await openBounded(undefined, { host: { limits: { uploadMs: 100 } } })
    const stream = rig.lab.guest.session.request({
      ":method": "POST",
      ":scheme": "https",
      ":authority": "free.example.com",
      ":path": "/x",
    })
    stream.on("error", () => stream.destroy())
    const drip = setInterval(() => stream.writable && stream.write("a"), 20)
    const status = await new Promise((resolve) =>
      stream.once("response", (headers) => resolve(headers[":status"])),
    )
    clearInterval(drip)
    stream.close(8)
    expect(status).toBe(408)
    expect(rig.elsewhere.requests).toEqual([])
  })
})
