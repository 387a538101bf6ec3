import { existsSync, readFileSync } from "node:fs"
import { createServer } from "node:net"
import { PassThrough, Readable } from "node:stream"
import { text } from "node:stream/consumers"
import { describe, expect, it } from "vitest"
import { executeRemote } from "../../machine/execute-remote.ts"
import { openSshd } from "../fakes/aws/open-sshd.ts"

const lacking = ["/usr/sbin/sshd"].filter((path) => !existsSync(path))
if (process.getuid?.() !== 0) lacking.push("root, as whom sshd logs in")
if (lacking.length > 0) console.warn(`skipped: this host lacks ${lacking.join(", ")}`)

describe.skipIf(lacking.length > 0)("a command in a machine elsewhere", () => {
  it("waits for an sshd that comes up late: refused, then closed at once, then there", async () => {
    await using sshd = await openSshd()
    let tries = 0
    const { connect } = await import("node:net")
    const front = createServer((socket) => {
      tries += 1
      socket.on("error", () => socket.destroy())
      if (tries === 1) return void socket.resetAndDestroy()
      if (tries === 2) return void socket.end()
      const behind = connect({ host: "127.0.0.1", port: sshd.port })
      behind.on("error", () => socket.destroy())
      return void socket.pipe(behind).pipe(socket)
    })
    await new Promise<void>((settle) => front.listen(0, "127.0.0.1", settle))
    const address = front.address()
    const stdout = new PassThrough()
    const output = text(stdout)
    const code = await executeRemote({
      name: "late",
      address: "127.0.0.1",
      port: typeof address === "object" && address !== null ? address.port : 0,
      user: "root",
      hostPublicKey: sshd.hostKey,
      credential: { privateKey: readFileSync(sshd.identity) },
      command: ["echo", "there"],
      streams: { stdin: Readable.from([]), stdout, stderr: stdout, terminal: null },
      consoleHint: "none",
      signal: new AbortController().signal,
    }).finally(() => stdout.end())
    front.close()
    expect({ code, output: await output, tries }).toEqual({ code: 0, output: "there\n", tries: 3 })
  })
})
