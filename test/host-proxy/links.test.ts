import { createHash } from "node:crypto"
import { createServer } from "node:net"
import { describe, expect, it } from "vitest"
import { hostError, readyReport } from "../../contract/host-api.ts"
import { newIdentifier } from "../../contract/identifier.ts"
import type { Envelope } from "../../contract/uplink.ts"
import { openReader } from "../../host-proxy/archive/open-reader.ts"
import { openGuestUplink } from "../fakes/guest.ts"
import { callHost } from "../fakes/host-client.ts"
import { PLACEHOLDER } from "../fakes/host-lab.ts"
import { eventually, type Lab, messagesCall, openLab } from "./lab.ts"

function callApi(lab: Lab, method: string, path: string, body?: string) {
  return callHost(lab.files.home.hostSocket, method, `/machines/lab${path}`, body)
}

describe("the control wire", () => {
  it("tells the guest who it is, with placeholders and never with a real key, and then reports ready", async () => {
    await using lab = await openLab()
    const answer = await callApi(lab, "GET", "/ready?timeout_ms=5000")
    expect(answer.status).toBe(200)
    const report = readyReport.parse(JSON.parse(answer.body))
    expect(report.health.identified).toBe(true)
    expect(report.readyMs).toBeGreaterThanOrEqual(report.controlMs)
    expect(lab.control.identities).toMatchObject([
      {
        name: "lab",
        runId: lab.files.record.runId,
        env: { COLOUR: "green", ANTHROPIC_API_KEY: PLACEHOLDER },
      },
    ])
    expect(JSON.stringify(lab.control.identities)).not.toContain("sk-ant-real")
  })

  it("that nobody answers is a 504 that says what was waited for", async () => {
    await using lab = await openLab({ unmeasured: true })
    const answer = await callApi(lab, "GET", "/ready?timeout_ms=200")
    expect(answer.status).toBe(504)
    expect(hostError.parse(JSON.parse(answer.body)).error).toMatchObject({ code: "host/not-ready" })
    expect(answer.body).toContain("the control socket")
  })

  it("is relayed with both bodies streamed", async () => {
    await using lab = await openLab()
    await callApi(lab, "GET", "/ready?timeout_ms=5000")
    const body = "to and fro ".repeat(100_000)
    const answer = await callApi(lab, "POST", "/control/echo", body)
    expect(answer.status).toBe(200)
    expect(answer.body).toBe(body)
    expect((await callApi(lab, "GET", "/control/nothing")).status).toBe(404)
  })

  it("is taken up again when the guest drops it", async () => {
    await using lab = await openLab()
    await callApi(lab, "GET", "/ready?timeout_ms=5000")
    lab.control.dropConnections()
    await eventually(async () =>
      (await callApi(lab, "GET", "/control/health")).status === 200 ? true : null,
    )
    expect(lab.control.identities).toHaveLength(1)
  })

  it("without a guest, or of an unknown machine, is an error that says so", async () => {
    await using lab = await openLab({ unmeasured: true })
    expect((await callApi(lab, "POST", "/control/ssh/agent")).status).toBe(503)
    expect((await callHost(lab.files.home.hostSocket, "GET", "/machines/other/ready")).status).toBe(404)
    expect((await callHost(lab.files.home.hostSocket, "GET", "/machines/..%2f/ready")).status).toBe(404)
    expect((await callHost(lab.files.home.hostSocket, "GET", "/nonsense")).status).toBe(404)
  }, 20_000)

  it("of a machine that is detached in the middle of a stream leaves it archived as interrupted", async () => {
    await using lab = await openLab()
    const begun = Promise.withResolvers<void>()
    const cut = lab.guest.send(messagesCall("stall=4"), () => {
      begun.resolve()
      return true
    })
    await begun.promise
    expect((await callApi(lab, "POST", "/detach")).status).toBe(204)
    expect((await cut).complete).toBe(false)
    expect(await lab.rows()).toMatchObject([{ outcome: "interrupted", status: 200 }])
  })

  it("of a machine that is detached takes its egress socket away", async () => {
    await using lab = await openLab()
    expect((await callApi(lab, "POST", "/detach")).status).toBe(204)
    await expect(lab.guest.send(messagesCall())).rejects.toThrow()
    expect((await callApi(lab, "GET", "/ready")).status).toBe(404)
  })
})

describe("a guest agent that restarts", () => {
  it("shows on the uplink, and is given its identity anew over a new control session", async () => {
    await using lab = await openLab()
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy())
      socket.resume()
      socket.write(START)
      // the new agent begins anew on the port, in the middle of what the host takes for the old session
      setTimeout(() => socket.write(START), 300)
    })
    await callApi(lab, "GET", "/ready?timeout_ms=5000")
    lab.control.restart()
    server.listen(lab.files.machine.uplinkSocket)
    await eventually(() => (lab.control.identities.length === 1 ? true : null))
    await eventually(async () =>
      (await callApi(lab, "GET", "/control/health")).status === 200 ? true : null,
    )
    server.close()
  }, 30_000)
})

const START = Buffer.concat([
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
])

describe("the uplink", () => {
  const sha256 = (text: Buffer | string) => createHash("sha256").update(text).digest("hex")

  async function exchangeWith(
    lab: Lab,
    change: Partial<Envelope>,
  ): Promise<readonly { kind: string; detail: string }[]> {
    const id = newIdentifier(Date.now())
    const call = messagesCall()
    const answer = await lab.guest.send({ ...call, headers: { ...call.headers, "stereo-exchange": id } })
    await using uplink = await openGuestUplink(lab.files.machine)
    const envelope: Envelope = {
      id,
      startedAtMs: 1,
      endedAtMs: 2,
      via: "explicit",
      process: { pid: 7, executable: "/usr/bin/node" },
      method: "POST",
      authority: "api.anthropic.com",
      path: "/v1/messages",
      status: 200,
      requestSha256: sha256(call.body),
      requestBytes: call.body.length,
      responseSha256: answer.sha256,
      responseBytes: answer.body.length,
      outcome: "complete",
      ...change,
    }
    expect(await uplink.deliver([envelope])).toBe(204)
    expect(await uplink.deliver([envelope])).toBe(204)
    const reader = openReader(lab.files.home.archive)
    const findings = (await reader?.findings()) ?? []
    await reader?.[Symbol.asyncDispose]()
    return findings
  }

  it("acknowledges envelopes, repeats too, and finds nothing where both sides agree", async () => {
    await using lab = await openLab()
    expect(await exchangeWith(lab, {})).toEqual([])
  })

  it("that says other digests than the host saw is a finding", async () => {
    await using lab = await openLab()
    const findings = await exchangeWith(lab, { responseSha256: sha256("something else") })
    expect(findings).toHaveLength(1)
    expect(findings[0]).toMatchObject({ kind: "tamper/digests-differ" })
    expect(findings[0]?.detail).toContain("response sha256")
  })

  it("refuses what is no batch of envelopes", async () => {
    await using lab = await openLab()
    await using uplink = await openGuestUplink(lab.files.machine)
    // a guest may send anything
    const wrong = [{ id: "short", extra: true }] as unknown as Envelope[]
    expect(await uplink.deliver(wrong)).toBe(400)
  })
})
