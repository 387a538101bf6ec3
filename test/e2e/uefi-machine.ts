/** A machine of a test's own under UEFI firmware: QEMU as docs/formats.md has it, perhaps with a TPM, in the tools tree. */

import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { mkdirSync, readFileSync, realpathSync } from "node:fs"
import { connect } from "node:http2"
import { join } from "node:path"
import { Readable, Writable } from "node:stream"
import { setTimeout as delay } from "node:timers/promises"
import { homeLayout } from "../../contract/home.ts"
import { currentToolsTree, toolsSandboxArgs } from "../../contract/tools-tree.ts"
import { askGuest } from "../../host-proxy/guest/ask-guest.ts"
import { connectSocket } from "../../host-proxy/guest/connect-socket.ts"
import { openShell } from "../../machine/exec/open-shell.ts"
import { relayCommand } from "../../machine/exec/relay-command.ts"
import { mintSecrets } from "../../machine/plan/mint-secrets.ts"
import { projectDir, sharedHome } from "./test-home.ts"

export interface UefiMachine extends AsyncDisposable {
  readonly controlSocket: string
  /** What came by the serial port so far. */
  console(): string
  /** Runs a command as the guest's root and gives what it prints; the guest is told who it is first. */
  run(command: string): Promise<string>
  /** Waits until the console holds the pattern, or fails with what it holds when the machine has ended or the time is over. */
  awaitConsole(pattern: RegExp, timeoutMs: number): Promise<void>
}

export interface UefiMachineRequest {
  /** Has `vars.fd` and the disk; everything of the machine lies here. */
  readonly dir: string
  /** The part of docs/formats.md's command line that names the disk, by default as it stands there. */
  readonly disk?: readonly string[]
  readonly tpm?: boolean
  readonly more?: readonly string[]
}

const TPM = ["-chardev", "socket,id=tpm,path=tpm.sock", "-tpmdev", "emulator,id=tpm0,chardev=tpm"]
const CONTROL = [
  ...["-device", "virtio-serial-pci", "-chardev", "socket,id=c,path=control.sock,server=on,wait=off"],
  ...["-device", "virtserialport,chardev=c,name=stereo.control"],
]

/** bubblewrap's arguments for a program of the tools tree that sees `dir` as its working folder. */
export function toolsCommand(dir: string, command: readonly string[]): string[] {
  const treeDir = realpathSync(currentToolsTree(homeLayout(sharedHome)))
  return [...toolsSandboxArgs(treeDir), "--bind", dir, "/work", "--chdir", "/work", "--", ...command]
}

export function openUefiMachine(request: UefiMachineRequest): UefiMachine {
  const { dir, tpm = false } = request
  const [program = "", ...args] = documentedCommand(request.disk)
  const all = [
    ...args,
    ...CONTROL,
    ...(request.more ?? []),
    ...(tpm ? [...TPM, "-device", "tpm-crb,tpmdev=tpm0"] : []),
  ]
  mkdirSync(join(dir, "tpm"), { recursive: true })
  const swtpm =
    "swtpm socket --tpm2 --tpmstate dir=tpm --ctrl type=unixio,path=tpm.sock --flags startup-clear"
  const script = `${tpm ? `${swtpm} & until [ -S tpm.sock ]; do sleep 0.1; done;` : ""} exec "$@"`
  const child = spawn("bwrap", toolsCommand(dir, ["sh", "-c", script, "sh", program, ...all]), {
    stdio: ["ignore", "pipe", "pipe"],
  })
  let text = ""
  const take = (chunk: Buffer) => {
    text += chunk.toString("latin1")
  }
  child.stdout.on("data", take)
  child.stderr.on("data", take)
  return {
    controlSocket: join(dir, "control.sock"),
    console: () => text,
    run: (command) => runAsRoot(join(dir, "control.sock"), command),
    awaitConsole: (pattern, timeoutMs) => awaitText(child, () => text, pattern, timeoutMs),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL")
      if (child.exitCode === null && child.signalCode === null) await once(child, "close")
    },
  }
}

/** The words of QEMU's command line in docs/formats.md. */
function documentedCommand(disk: readonly string[] | undefined): string[] {
  const page = readFileSync(join(projectDir, "docs/formats.md"), "utf8")
  const line = /^qemu-system-x86_64 (?:.*\\\n)+.*$/m.exec(page)?.[0] ?? ""
  const words = line.replaceAll("\\\n", " ").split(/\s+/)
  if (disk === undefined) return words
  const at = words.findIndex((word) => word.includes("id=root"))
  // `-drive X -device Y`
  return [...words.slice(0, at - 1), ...disk, ...words.slice(at + 3)]
}

async function awaitText(
  child: ChildProcess,
  read: () => string,
  pattern: RegExp,
  timeoutMs: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!pattern.test(read())) {
    const ended = child.exitCode !== null || child.signalCode !== null
    if (ended || performance.now() > deadline) {
      throw new Error(`the console ${ended ? "ended" : "stayed"} without ${pattern}:\n${read().slice(-3000)}`)
    }
    await delay(200)
  }
}

async function runAsRoot(socketPath: string, command: string): Promise<string> {
  const signal = AbortSignal.timeout(240_000)
  const socket = await connectSocket(socketPath, signal)
  const session = connect("http://guest", { createConnection: () => socket })
  session.on("error", () => session.destroy())
  try {
    const { ssh } = mintSecrets([])
    const identity = {
      ...{
        name: "uefi",
        runId: "0".repeat(26),
        epochMs: Date.now(),
        entropyHex: randomBytes(64).toString("hex"),
      },
      ...{ env: {}, ssh: { authorizedKey: ssh.clientPublicKey, hostPrivateKey: ssh.hostPrivateKey } },
    }
    const body = JSON.stringify(identity)
    await askGuest(session, { method: "PUT", path: "/identity", body, timeoutMs: 60_000, signal })
    const stream = session.request({ ":method": "POST", ":path": "/ssh/root" }, { endStream: false })
    const client = await openShell({
      ...{ name: "uefi", user: "root" as const, stream, consoleHint: "", signal },
      ...{ hostPublicKey: ssh.hostPublicKey, credential: { privateKey: ssh.clientPrivateKey } },
    })
    const parts: Buffer[] = []
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        parts.push(chunk)
        done()
      },
    })
    const streams = { stdin: Readable.from([]), stdout: sink, stderr: sink, terminal: null }
    const code = await relayCommand(client, command, streams, signal)
    client.end()
    const printed = Buffer.concat(parts).toString()
    if (code !== 0) throw new Error(`${command} ended with ${code}:\n${printed}`)
    return printed
  } finally {
    session.destroy()
    socket.destroy()
  }
}
