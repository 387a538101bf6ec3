/** A small real host service: HTTP/2 on a unix socket, whose `control/ssh` is this machine's own `sshd -i`. */

import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type ServerHttp2Stream } from "node:http2"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type MachineRecord, machineRecord } from "../../contract/machine-record.ts"
import { mintSecrets } from "../../machine/plan/mint-secrets.ts"

export interface HostStandIn extends AsyncDisposable {
  readonly dir: string
  readonly socket: string
  /** `METHOD PATH` of each request so far. */
  readonly requests: readonly string[]
  /** Answers these paths so instead. */
  readonly answers: Map<string, { status: number; body: string }>
  /** Ends the connection that the next request comes by. */
  readonly dropped: Set<string>
  /** Never answers these. */
  readonly silent: Set<string>
  readonly sessions: readonly ChildProcess[]
}

const SSHD_LINES = [
  "AuthenticationMethods publickey",
  "PermitRootLogin prohibit-password",
  "UsePAM no",
  "UseDNS no",
  "StrictModes no",
  "PidFile none",
  "LogLevel ERROR",
]

export async function openHostStandIn(record: MachineRecord): Promise<HostStandIn> {
  const dir = mkdtempSync(join(tmpdir(), "stereo-host-"))
  writeFileSync(join(dir, "host_key"), record.ssh.hostPrivateKey, { mode: 0o600 })
  writeFileSync(join(dir, "keys"), `${record.ssh.clientPublicKey}\n`, { mode: 0o600 })
  const files = [`HostKey ${join(dir, "host_key")}`, `AuthorizedKeysFile ${join(dir, "keys")}`]
  writeFileSync(join(dir, "sshd_config"), `${[...files, ...SSHD_LINES].join("\n")}\n`)
  const socket = join(dir, "host.sock")
  const requests: string[] = []
  const answers = new Map<string, { status: number; body: string }>()
  const dropped = new Set<string>()
  const silent = new Set<string>()
  const sessions: ChildProcess[] = []
  const server = createServer()
  server.on("stream", (stream, headers) => {
    const call = `${headers[":method"]} ${headers[":path"]}`
    requests.push(call)
    stream.on("error", (error) => requests.push(`error ${error.message}`))
    const answer = answers.get(call)
    if (silent.has(call)) return
    if (dropped.has(call)) stream.session?.destroy()
    else if (answer) respond(stream, answer.status, answer.body)
    else if (/\/control\/ssh\/(agent|root)$/.test(call)) sessions.push(startSshd(stream, dir))
    else respond(stream, 204, "")
  })
  await new Promise<void>((settle) => server.listen(socket, settle))
  return {
    ...{ dir, socket, requests, answers, dropped, silent, sessions },
    [Symbol.asyncDispose]: async () => {
      for (const session of sessions) session.kill("SIGKILL")
      await new Promise((settle) => server.close(settle))
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function respond(stream: ServerHttp2Stream, status: number, body: string): void {
  stream.respond({ ":status": status })
  stream.end(body)
}

function startSshd(stream: ServerHttp2Stream, dir: string): ChildProcess {
  const child = spawn("/usr/sbin/sshd", ["-i", "-e", "-f", join(dir, "sshd_config")], {
    stdio: ["pipe", "pipe", "inherit"],
  })
  stream.respond({ ":status": 200 })
  child.stdin.on("error", () => child.stdin.destroy())
  stream.pipe(child.stdin)
  child.stdout.pipe(stream)
  stream.once("close", () => child.stdin.destroy())
  return child
}

/** A record as the launcher writes it, with keys of its own. */
export function makeRecord(changes: Partial<MachineRecord> = {}): MachineRecord {
  const { ssh, placeholders } = mintSecrets([])
  return machineRecord.parse({
    schema: 1,
    name: "demo",
    runId: "01m84dtks0q6wbs0p70x8jszqs",
    image: {
      name: "base",
      plan: "a".repeat(64),
      rootHash: "b".repeat(64),
      measurements: { rulesetSha256: "c".repeat(64), unitsSha256: "d".repeat(64) },
      dir: "/nowhere",
    },
    accelerator: "tcg",
    isolation: "none",
    state: "running",
    failure: null,
    owner: null,
    ephemeral: false,
    qemu: null,
    createdAt: "2026-11-23T14:00:00.000Z",
    team: "default",
    project: "default",
    resources: { cpus: 2, memoryMib: 1024, diskMib: 64 },
    egressSets: [],
    env: {},
    placeholders,
    ssh,
    ...changes,
  })
}
