import { once } from "node:events"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { type ClientHttp2Session, connect, performServerHandshake, type ServerHttp2Session } from "node:http2"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Duplex } from "node:stream"
import { afterEach, describe, expect, it } from "vitest"
import type { Envelope } from "../../contract/uplink.ts"
import { type ControlHandlers, isControlStart, serveControl } from "../../guest-agent/agent/control-server.ts"
import { openSpool } from "../../guest-agent/agent/envelope-spool.ts"
import { servePort } from "../../guest-agent/agent/port-sessions.ts"
import { serveUplink } from "../../guest-agent/agent/uplink-client.ts"
import type { BytePort } from "../../guest-agent/agent/virtio-port.ts"
import { waitFor } from "./capture-lab.ts"

/** A virtio-serial port as the driver shows it: end of file while closed, writes that wait for the host's side. */
class FakePort implements BytePort {
  /** Null stands for an end of file. */
  readonly #toGuest: (Buffer | null)[] = []
  #host: Duplex | null = null
  #changed = Promise.withResolvers<void>()

  /** The host's side opens; the stream that it holds. */
  open(): Duplex {
    const host: Duplex = new Duplex({
      read: () => undefined,
      write: (chunk, _encoding, done) => {
        if (this.#host === host) this.#toGuest.push(chunk)
        this.#wake()
        done()
      },
    })
    this.#host = host
    this.#wake()
    return host
  }

  close(): void {
    this.#host?.destroy()
    this.#host = null
    this.#toGuest.push(null)
    this.#wake()
  }

  readonly read = async (): Promise<Buffer | null> => {
    for (;;) {
      const chunk = this.#toGuest.shift()
      if (chunk !== undefined) return chunk
      if (!this.#host) return null
      await this.#changed.promise
    }
  }

  readonly write = async (bytes: Buffer): Promise<void> => {
    while (!this.#host) await this.#changed.promise
    this.#host.push(bytes)
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }
}

const stopped: AbortController[] = []
afterEach(() => {
  for (const one of stopped.splice(0)) one.abort()
})

function signal(): AbortSignal {
  const controller = new AbortController()
  stopped.push(controller)
  return controller.signal
}

describe("the control wire's guest side", () => {
  const health = { bootId: "b", uptimeMs: 1, firewall: true, capture: true, identified: false }

  function serve(port: FakePort, over: Partial<ControlHandlers> = {}): string[] {
    const said: string[] = []
    const handlers: ControlHandlers = {
      health: async () => health,
      identify: async (body) => void said.push(JSON.stringify(body)),
      firewall: async () => Buffer.from("{}"),
      measure: () => () => undefined,
      ssh: (stream) => void stream.pipe(stream),
      shutdown: () => void said.push("shutdown"),
      log: () => undefined,
      ...over,
    }
    const onSession = (stream: Duplex): void => void serveControl(stream, handlers)
    void servePort(port, { onSession, isStart: isControlStart, speaksFirst: false }, signal())
    return said
  }

  function dial(port: FakePort): ClientHttp2Session {
    const stream = port.open()
    const session = connect("http://guest", { createConnection: () => stream })
    session.on("error", () => session.destroy())
    return session
  }

  async function ask(
    session: ClientHttp2Session,
    method: string,
    path: string,
    body?: string,
  ): Promise<[number, string]> {
    const stream = session.request({ ":method": method, ":path": path })
    const text: string[] = []
    let status = 0
    stream.on("response", (headers) => {
      status = headers[":status"] ?? 0
    })
    stream.on("data", (chunk) => text.push(String(chunk)))
    stream.end(body)
    await once(stream, "close")
    return [status, text.join("")]
  }

  it("tells measurements as lines, until whoever asked has gone", async () => {
    const port = new FakePort()
    const told: ((line: { kind: "alive" }) => void)[] = []
    const stops: string[] = []
    serve(port, {
      measure: (tell) => {
        told.push(tell)
        tell({ kind: "unwatched", reason: "not yet" })
        return () => void stops.push("stopped")
      },
    })
    const stream = dial(port).request({ ":path": "/measurements" })
    const text: string[] = []
    stream.on("data", (chunk) => text.push(String(chunk)))
    await waitFor("the first line", () => text.length > 0 || undefined)
    told[0]?.({ kind: "alive" })
    await waitFor("the second line", () => text.join("").split("\n").length === 3 || undefined)
    expect(text.join("")).toBe('{"kind":"unwatched","reason":"not yet"}\n{"kind":"alive"}\n')
    stream.close()
    await waitFor("the end", () => stops.length === 1 || undefined)
  })

  it("answers health, takes the identity, shows the packet filter and shuts down", async () => {
    const port = new FakePort()
    const said = serve(port)
    const session = dial(port)
    expect(await ask(session, "GET", "/health")).toEqual([200, JSON.stringify(health)])
    expect(await ask(session, "PUT", "/identity", '{"name":"m"}')).toEqual([204, ""])
    expect(await ask(session, "GET", "/firewall")).toEqual([200, "{}"])
    expect(await ask(session, "POST", "/shutdown")).toEqual([202, ""])
    expect(said).toEqual(['{"name":"m"}', "shutdown"])
  })

  it("says what is wrong, by code, and goes on", async () => {
    const port = new FakePort()
    serve(port, { firewall: () => Promise.reject(new Error("nft is gone")) })
    const session = dial(port)
    expect((await ask(session, "PUT", "/identity", "{"))[1]).toContain("agent/bad-body")
    expect(await ask(session, "GET", "/nothing")).toEqual([404, expect.stringContaining("agent/no-route")])
    expect(await ask(session, "GET", "/firewall")).toEqual([500, expect.stringContaining("nft is gone")])
    expect((await ask(session, "GET", "/health"))[0]).toBe(200)
  })

  it("carries an ssh stream both ways", async () => {
    const port = new FakePort()
    serve(port)
    const stream = dial(port).request({ ":method": "POST", ":path": "/ssh/agent" })
    stream.write("SSH-2.0-x")
    const [chunk] = await once(stream, "data")
    expect(String(chunk)).toBe("SSH-2.0-x")
  })

  it("serves the next host after one that closed the port, and after one that only began anew", async () => {
    const port = new FakePort()
    serve(port)
    const first = dial(port)
    await ask(first, "GET", "/health")
    port.close()
    const second = dial(port)
    expect((await ask(second, "GET", "/health"))[0]).toBe(200)
    // no end of file in between: the port was open all the time
    const third = dial(port)
    expect((await ask(third, "GET", "/health"))[0]).toBe(200)
  })

  it("throws away what is no HTTP/2, until somebody begins in good order", async () => {
    const port = new FakePort()
    serve(port)
    port.open().write("GET / HTTP/1.1\r\n\r\n")
    port.close()
    expect((await ask(dial(port), "GET", "/health"))[0]).toBe(200)
  })
})

describe("the uplink's guest side", () => {
  const envelope = (id: string): Envelope => ({
    id: id.padStart(26, "0"),
    startedAtMs: 1,
    endedAtMs: 2,
    via: "redirect",
    process: null,
    method: "GET",
    authority: "a.example",
    path: "/",
    status: 200,
    requestSha256: "0".repeat(64),
    requestBytes: 0,
    responseSha256: "0".repeat(64),
    responseBytes: 0,
    outcome: "complete",
  })

  /** The host's side: takes batches and answers with the given statuses, then 204. */
  function collect(
    port: FakePort,
    statuses: number[] = [],
  ): { batches: string[][]; session: ServerHttp2Session } {
    const batches: string[][] = []
    const session = performServerHandshake(port.open())
    session.on("error", () => session.destroy())
    session.on("stream", async (stream) => {
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk)
      const batch: Envelope[] = JSON.parse(Buffer.concat(chunks).toString())
      batches.push(batch.map(({ id }) => id.replace(/^0+/, "")))
      stream.respond({ ":status": statuses.shift() ?? 204 }, { endStream: true })
    })
    return { batches, session }
  }

  it("sends what is spooled when the host comes, keeps what it refused, and forgets what it acknowledged", async () => {
    const dir = mkdtempSync(join(tmpdir(), "stereo-spool-"))
    try {
      const spool = await openSpool(dir, () => undefined)
      await spool.append([envelope("1"), envelope("2")])
      await spool.append([envelope("3")])
      const port = new FakePort()
      const onSession = (stream: Duplex): void => void serveUplink(stream, spool, () => undefined)
      void servePort(port, { onSession, isStart: () => false, speaksFirst: true }, signal())
      const refusing = collect(port, [503])
      await waitFor("the first batch", () => refusing.batches[0])
      expect(readdirSync(dir)).toHaveLength(2)
      port.close()
      const taking = collect(port)
      await waitFor("an empty spool", () => readdirSync(dir).length === 0 || undefined)
      expect(taking.batches).toEqual([["1", "2", "3"]])
      await spool.append([envelope("4")])
      await waitFor("the next envelope", () => taking.batches[1])
      expect(taking.batches[1]).toEqual(["4"])
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })

  it("finds again, after a restart of the agent, what was not acknowledged", async () => {
    const dir = mkdtempSync(join(tmpdir(), "stereo-spool-"))
    try {
      await (await openSpool(dir, () => undefined)).append([envelope("1")])
      const batch = await (await openSpool(dir, () => undefined)).oldest()
      expect(JSON.parse(batch?.body ?? "")).toEqual([envelope("1")])
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })
})
