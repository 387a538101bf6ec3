/** This host's own sshd on a loopback port, with keys of its own: what answers at an instance's address. */

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { mintSecrets } from "../../../machine/plan/mint-secrets.ts"

export interface Sshd extends AsyncDisposable {
  readonly port: number
  /** `ssh-ed25519 BASE64` */
  readonly hostKey: string
  /** The file of the private key that it lets in. */
  readonly identity: string
  /** Sessions so far. */
  readonly sessions: readonly ChildProcess[]
}

const LINES = [
  "AuthenticationMethods publickey",
  "PermitRootLogin prohibit-password",
  "UsePAM no",
  "UseDNS no",
  "StrictModes no",
  "PidFile none",
  "LogLevel ERROR",
]

/** On a free port, unless it must be a certain one. */
export async function openSshd(port = 0): Promise<Sshd> {
  mkdirSync("/run/sshd", { recursive: true })
  const { ssh } = mintSecrets([])
  const dir = mkdtempSync(join(tmpdir(), "stereo-sshd-"))
  const write = (name: string, text: string) => writeFileSync(join(dir, name), text, { mode: 0o600 })
  write("host_key", ssh.hostPrivateKey)
  write("keys", `${ssh.clientPublicKey}\n`)
  write("identity", ssh.clientPrivateKey)
  const files = [`HostKey ${join(dir, "host_key")}`, `AuthorizedKeysFile ${join(dir, "keys")}`]
  write("sshd_config", `${[...files, ...LINES].join("\n")}\n`)
  const sessions: ChildProcess[] = []
  const serve = (socket: Socket) => {
    const child = spawn("/usr/sbin/sshd", ["-i", "-e", "-f", join(dir, "sshd_config")], {
      stdio: ["pipe", "pipe", "inherit"],
    })
    sessions.push(child)
    socket.on("error", () => child.kill("SIGKILL"))
    child.stdin.on("error", () => child.stdin.destroy())
    socket.pipe(child.stdin)
    child.stdout.pipe(socket)
  }
  const server = createServer(serve).listen(port, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    hostKey: ssh.hostPublicKey.split(" ").slice(0, 2).join(" "),
    identity: join(dir, "identity"),
    sessions,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.kill("SIGKILL")
      server.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
