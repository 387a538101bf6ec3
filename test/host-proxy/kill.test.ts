import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type GuestAnswer, openGuestControl, openGuestEgress } from "../fakes/guest.ts"
import { callHost } from "../fakes/host-client.ts"
import { type HostLab, openHostLab } from "../fakes/host-lab.ts"
import { openFakeProvider } from "../fakes/provider.ts"
import { projectDir } from "../rules/sources.ts"
import { eventually, messagesCall, readRows } from "./lab.ts"

interface Program extends Disposable {
  readonly process: ChildProcess
}

/** The real program in a process of its own, which does not outlive the test. */
function startProgram(lab: HostLab): Program {
  const child = spawn(process.execPath, [join(projectDir, "cli/main.ts"), "host"], {
    env: { ...process.env, STEREO_HOME: lab.home.root },
    stdio: "ignore",
  })
  return { process: child, [Symbol.dispose]: () => void child.kill("SIGKILL") }
}

async function attach(lab: HostLab): Promise<void> {
  await eventually(async () => {
    try {
      const answer = await callHost(lab.home.hostSocket, "POST", "/machines/lab/attach")
      return answer.status === 204 ? answer : null
    } catch {
      return null // it does not listen yet
    }
  })
}

async function kill(program: Program): Promise<void> {
  const ended = once(program.process, "exit")
  program.process.kill("SIGKILL")
  await ended
}

describe("kill -9 of the host service in the middle of a stream", () => {
  it("loses no exchange that was acknowledged, and keeps what had come of the others", async () => {
    await using provider = await openFakeProvider()
    using lab = openHostLab({ upstream: provider.url })
    await using _agent = await openGuestControl(lab.machine)
    using first = startProgram(lab)
    await attach(lab)
    const acknowledged: GuestAnswer[] = []
    let seen = Buffer.alloc(0)
    {
      using guest = await openGuestEgress(lab.machine.egressSocket)
      for (let index = 0; index < 8; index += 1) acknowledged.push(await guest.send(messagesCall()))
      const middle = Promise.withResolvers<void>()
      const cut = guest.send(messagesCall("stall=4"), (chunk) => {
        seen = Buffer.concat([seen, chunk])
        if (seen.includes("content_block_start")) middle.resolve()
        return true
      })
      await middle.promise
      await kill(first)
      expect((await cut).complete).toBe(false)
    }
    // readable at once, without the service
    expect((await readRows(lab)).map((row) => row.response_sha256)).toEqual(
      acknowledged.map((one) => one.sha256),
    )

    using second = startProgram(lab)
    await attach(lab)
    const rows = await readRows(lab)
    expect(rows.map((row) => row.outcome)).toEqual([...acknowledged.map(() => "complete"), "interrupted"])
    expect(rows.at(-1)?.response_bytes).toBeGreaterThanOrEqual(seen.length)
    using guest = await openGuestEgress(lab.machine.egressSocket)
    expect((await guest.send(messagesCall())).complete).toBe(true)
    const ended = once(second.process, "exit")
    second.process.kill("SIGTERM")
    expect((await ended)[0]).toBe(0)
    expect(await readRows(lab)).toHaveLength(10)
  }, 60_000)

  it("at any moment of many calls leaves every acknowledged answer in the archive", async () => {
    await using provider = await openFakeProvider()
    using lab = openHostLab({ upstream: provider.url })
    await using _agent = await openGuestControl(lab.machine)
    using program = startProgram(lab)
    await attach(lab)
    const acknowledged = new Set<string>()
    using guest = await openGuestEgress(lab.machine.egressSocket)
    const ended = once(program.process, "exit")
    const call = async (index: number) => {
      const body = { messages: [{ role: "user", content: `call ${index}` }] }
      const request = messagesCall(`pace=${index}`, body)
      const answer = await guest.send(request).catch(() => null)
      if (answer?.complete) acknowledged.add(createHash("sha256").update(request.body).digest("hex"))
      if (acknowledged.size === 10) program.process.kill("SIGKILL")
    }
    await Promise.all(Array.from({ length: 60 }, (_none, index) => call(index)))
    await ended
    const recorded = new Set((await readRows(lab)).map((row) => row.request_sha256))
    expect([...acknowledged].filter((digest) => !recorded.has(digest))).toEqual([])
    expect(acknowledged.size).toBeLessThan(60)
  }, 60_000)
})

describe("a second host service", () => {
  it("started at the same moment leaves exactly one", async () => {
    await using provider = await openFakeProvider()
    using lab = openHostLab({ upstream: provider.url })
    await using _agent = await openGuestControl(lab.machine)
    const programs = Array.from({ length: 4 }, () => startProgram(lab))
    const codes: (number | null)[] = []
    for (const one of programs) one.process.once("exit", (code) => codes.push(code))
    await eventually(() => (codes.length === 3 ? true : null))
    expect(codes).toEqual([1, 1, 1])
    await attach(lab)
    for (const one of programs) one[Symbol.dispose]()
  }, 60_000)

  it("refuses politely while the first answers, and takes over the socket that a kill left", async () => {
    await using provider = await openFakeProvider()
    using lab = openHostLab({ upstream: provider.url })
    await using _agent = await openGuestControl(lab.machine)
    using first = startProgram(lab)
    await attach(lab)
    using second = startProgram(lab)
    expect((await once(second.process, "exit"))[0]).toBe(1)
    await kill(first)
    using third = startProgram(lab)
    await attach(lab)
    expect((await callHost(lab.home.hostSocket, "GET", "/health")).body).toContain(
      `"pid":${third.process.pid}`,
    )
    await callHost(lab.home.hostSocket, "POST", "/stop")
    expect((await once(third.process, "exit"))[0]).toBe(0)
  }, 60_000)
})
