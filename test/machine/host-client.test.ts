import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type HostClient, openHostClient } from "../../machine/host-client.ts"
import { type HostStandIn, makeRecord, openHostStandIn } from "./host-stand-in.ts"

const never = new AbortController().signal

describe("the host service's client", () => {
  let standIn: HostStandIn
  let host: HostClient

  beforeAll(async () => {
    standIn = await openHostStandIn(makeRecord())
    host = openHostClient(standIn.socket)
  })
  afterAll(async () => {
    host[Symbol.dispose]()
    await standIn[Symbol.asyncDispose]()
  })

  function answer(call: string, status: number, body: unknown): void {
    standIn.answers.set(call, { status, body: typeof body === "string" ? body : JSON.stringify(body) })
  }

  it("gives a refusal on with the host's own code, words and hint", async () => {
    const error = { code: "host/no-machine", message: "there is none", hint: "look" }
    answer("POST /machines/demo/attach", 404, { error })
    await expect(host.attach("demo", never)).rejects.toMatchObject(error)
  })

  it("says that an answer is not what was agreed, and shows it", async () => {
    answer("GET /health", 200, { pid: "one" })
    await expect(host.health(never)).rejects.toMatchObject({ code: "host/bad-answer" })
    answer("GET /health", 200, "<html>")
    await expect(host.health(never)).rejects.toMatchObject({ code: "host/bad-answer" })
    answer("POST /machines/demo/detach", 500, "oops")
    await expect(host.detach("demo", never)).rejects.toThrow(/status 500 with "oops"/)
  })

  it("says that the host cannot be reached when there is no socket", async () => {
    using nowhere = openHostClient(`${standIn.dir}/none.sock`)
    await expect(nowhere.health(never)).rejects.toMatchObject({ code: "host/unreachable" })
  })

  it("says so too when the connection breaks before the answer, and connects again for the next call", async () => {
    standIn.dropped.add("POST /machines/demo/control/shutdown")
    await expect(host.shutdown("demo", never)).rejects.toMatchObject({ code: "host/unreachable" })
    const health = { pid: 1, version: "1", startedAt: "2026-11-23T14:00:00.000Z", machines: [] }
    answer("GET /health", 200, health)
    expect(await host.health(never)).toEqual(health)
  })

  it("stops waiting when it is told to", async () => {
    const stopped = new AbortController()
    const waiting = host.openSsh("demo", "agent", stopped.signal)
    stopped.abort(new Error("enough"))
    await expect(waiting).rejects.toThrow("enough")
  })
})
