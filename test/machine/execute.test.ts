import { createHash, randomBytes } from "node:crypto"
import { existsSync, mkdirSync } from "node:fs"
import { PassThrough, Readable, Writable } from "node:stream"
import { buffer, text } from "node:stream/consumers"
import { setTimeout as delay } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Terminal } from "../../machine/exec/relay-command.ts"
import { executeCommand } from "../../machine/execute.ts"
import { type HostClient, openHostClient } from "../../machine/host-client.ts"
import { type HostStandIn, makeRecord, openHostStandIn } from "./host-stand-in.ts"

const lacking = ["/usr/sbin/sshd"].filter((path) => !existsSync(path))
if (process.getuid?.() !== 0) lacking.push("root, as whom sshd logs in")
if (lacking.length > 0) console.warn(`skipped: this host lacks ${lacking.join(", ")}`)

describe.skipIf(lacking.length > 0)("a command in a machine", () => {
  const record = makeRecord()
  let standIn: HostStandIn
  let host: HostClient

  beforeAll(async () => {
    mkdirSync("/run/sshd", { recursive: true })
    standIn = await openHostStandIn(record)
    host = openHostClient(standIn.socket)
  })
  afterAll(async () => {
    host[Symbol.dispose]()
    await standIn[Symbol.asyncDispose]()
  })

  interface Options {
    readonly stdin?: Readable
    readonly stdout?: Writable
    readonly terminal?: Terminal
    readonly signal?: AbortSignal
    readonly record?: typeof record
  }

  async function execute(command: readonly string[], options: Options = {}) {
    const stdout = new PassThrough()
    const stderr = new PassThrough()
    const outputs = Promise.all([buffer(stdout), text(stderr)])
    const code = await executeCommand({
      host,
      record: options.record ?? record,
      user: "root",
      command,
      streams: {
        stdin: options.stdin ?? Readable.from([]),
        stdout: options.stdout ?? stdout,
        stderr,
        terminal: options.terminal ?? null,
      },
      signal: options.signal ?? new AbortController().signal,
    }).finally(() => {
      stdout.end()
      stderr.end()
    })
    const [out, err] = await outputs
    return { code, out, err }
  }

  it("gives back its exit code and keeps its two outputs apart", async () => {
    const { code, out, err } = await execute(["sh", "-c", "echo out; echo err >&2; exit 7"])
    expect({ code, out: out.toString(), err }).toEqual({ code: 7, out: "out\n", err: "err\n" })
  })

  it("gives 128 and the signal's number when a signal ended it", async () => {
    expect((await execute(["sh", "-c", "kill -9 $$"])).code).toBe(137)
  })

  it("sees its words exactly as they were given", async () => {
    const words = ["", " a b ", "it's", '"quoted"', "$HOME `id` \\", "line\nbreak", "ümläut", "--", "*"]
    const { out } = await execute(["printf", "%s\\0", ...words])
    expect(out.toString().split("\0").slice(0, -1)).toEqual(words)
  })

  it("gets 5 MB of any bytes by standard input and gives them back unchanged", async () => {
    const bytes = randomBytes(5_000_000)
    const { out } = await execute(["cat"], { stdin: Readable.from([bytes]) })
    expect(sha256(out)).toBe(sha256(bytes))
  })

  it("waits for a slow reader instead of piling its output up", async () => {
    let release: () => void = () => undefined
    const gate = new Promise<void>((settle) => {
      release = settle
    })
    let taken = 0
    const stdout = new Writable({
      highWaterMark: 1,
      write: (chunk: Buffer, _encoding, done) => {
        taken += chunk.length
        gate.then(() => done())
      },
    })
    // many times what earlier tests leave to be collected
    const produced = 192 * 1024 * 1024
    const running = execute(["head", "-c", String(produced), "/dev/zero"], { stdout })
    await delay(2500)
    const heapBytes = process.memoryUsage().arrayBuffers
    expect(taken).toBeLessThan(produced / 2)
    expect(heapBytes).toBeLessThan(produced / 2)
    release()
    expect((await running).code).toBe(0)
    expect(taken).toBe(produced)
  })

  it("has a terminal of the given kind and size, and follows its resizing", async () => {
    let size = { columns: 91, rows: 31 }
    let resized: () => void = () => undefined
    const terminal: Terminal = {
      kind: "vt220",
      size: () => size,
      onResize: (changed) => {
        resized = changed
        return () => undefined
      },
    }
    const stdin = new PassThrough()
    const output = whenSaid("31 91", () => {
      size = { columns: 132, rows: 50 }
      resized()
      stdin.write("go\n")
    })
    const script = "echo $TERM; stty size; read line; stty size; exit 3"
    const running = execute(["sh", "-c", script], { terminal, stdin, stdout: output.stdout })
    expect((await running).code).toBe(3)
    expect(output.said()).toContain("vt220\r\n31 91\r\n")
    expect(output.said()).toContain("50 132\r\n")
  })

  it("runs beside another one", async () => {
    const both = await Promise.all([
      execute(["sh", "-c", "sleep 0.4; echo one"]),
      execute(["sh", "-c", "sleep 0.2; echo two"]),
    ])
    expect(both.map(({ out }) => out.toString())).toEqual(["one\n", "two\n"])
  })

  it("is left behind when the caller is interrupted and it does not end, with SIGINT's code", async () => {
    const interrupted = new AbortController()
    const output = whenSaid("ready\n", () => interrupted.abort(new Error("Ctrl-C")))
    const command = ["sh", "-c", "echo ready; exec sleep 30"]
    const { code } = await execute(command, { signal: interrupted.signal, stdout: output.stdout })
    expect({ code, out: output.said() }).toEqual({ code: 130, out: "ready\n" })
  })

  it("ends with SIGPIPE's code when its reader has gone", async () => {
    const stdout = new Writable({
      write: (_chunk, _encoding, done) => done(Object.assign(new Error("gone"), { code: "EPIPE" })),
    })
    expect((await execute(["yes"], { stdout })).code).toBe(141)
  })

  it("is not sent to a machine with another host key", async () => {
    const other = { ...record, ssh: { ...record.ssh, hostPublicKey: makeRecord().ssh.hostPublicKey } }
    await expect(execute(["true"], { record: other })).rejects.toMatchObject({ code: "exec/wrong-host-key" })
  })

  it("is refused to a key that the machine does not know", async () => {
    const other = { ...record, ssh: { ...record.ssh, clientPrivateKey: makeRecord().ssh.clientPrivateKey } }
    await expect(execute(["true"], { record: other })).rejects.toMatchObject({ code: "exec/refused" })
  })

  it("fails with a reason when the connection breaks in its middle", async () => {
    const output = whenSaid("ready\n", () => {
      for (const session of standIn.sessions) session.kill("SIGKILL")
    })
    const running = execute(["sh", "-c", "echo ready; exec sleep 30"], { stdout: output.stdout })
    await expect(running).rejects.toMatchObject({ code: "exec/connection-lost" })
  })
})

/** A standard output that calls `act` once, when the command has written `words`. */
function whenSaid(words: string, act: () => void) {
  let said = ""
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      const before = said
      said += chunk
      done()
      if (!before.includes(words) && said.includes(words)) act()
    },
  })
  return { stdout, said: () => said }
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}
