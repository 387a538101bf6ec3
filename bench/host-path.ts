/** The host's half of the path, by streams at a time: beside a call straight to the provider and beside mitmdump. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { Agent, request } from "node:http"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { messagesCall, openLab } from "../test/host-proxy/lab.ts"
import { type Figure, summarise } from "./report.ts"

export const STREAMS = [1, 16, 64] as const
const REQUESTS = 640
/** A machine begins a hundred calls a second; here it is asked how many the service could carry. */
const UNLIMITED = { burst: REQUESTS * 100, perSecond: REQUESTS * 100, maxWaiting: REQUESTS }
const BODY = messagesCall("", { stream: false }).body

/** Client and provider share this process in all three; mitmdump, like the host service, writes each exchange to disk. */
export async function benchHostPath(note: (text: string) => void): Promise<readonly Figure[]> {
  await using lab = await openLab({ host: { limits: { requests: UNLIMITED } } })
  await using peer = await openMitmdump()
  const figures: Figure[] = []
  for (const streams of STREAMS) {
    note(`${streams} at a time`)
    const straight = await series(streams, () => post(lab.provider.url, null))
    const ours = await series(streams, async () => {
      const { status } = await lab.guest.send(messagesCall("", { stream: false }))
      if (status !== 200) throw new Error(`the host service answered ${status}`)
    })
    figures.push(summarise(`straight to the provider, ${streams} at a time`, "ms", straight.times))
    figures.push(summarise(`through the host service, ${streams} at a time`, "ms", ours.times))
    figures.push(ratio(`  host service ÷ straight, requests a second, ${streams} at a time`, ours, straight))
    if (!peer.port) continue
    const theirs = await series(streams, () => post(lab.provider.url, peer.port))
    figures.push(summarise(`through mitmdump -w, ${streams} at a time`, "ms", theirs.times))
    figures.push(ratio(`  host service ÷ mitmdump, requests a second, ${streams} at a time`, ours, theirs))
  }
  return figures
}

interface Series {
  readonly times: readonly number[]
  readonly perSecond: number
}

async function series(streams: number, ask: () => Promise<void>): Promise<Series> {
  for (let index = 0; index < streams; index += 1) await ask()
  const times: number[] = []
  let left = REQUESTS
  const startedAt = performance.now()
  const work = async () => {
    while (left > 0) {
      left -= 1
      const beganAt = performance.now()
      await ask()
      times.push(performance.now() - beganAt)
    }
  }
  await Promise.all(Array.from({ length: streams }, work))
  return { times, perSecond: REQUESTS / ((performance.now() - startedAt) / 1000) }
}

function ratio(what: string, ours: Series, other: Series): Figure {
  return summarise(what, "×", [ours.perSecond / other.perSecond])
}

const agent = new Agent({ keepAlive: true })

/** Straight, or by the absolute form through a proxy. */
function post(url: string, proxyPort: number | null): Promise<void> {
  const { hostname, port } = new URL(url)
  const path = proxyPort === null ? "/v1/messages" : `${url}/v1/messages`
  const place = { host: hostname, port: proxyPort ?? Number(port) }
  const headers = { host: `${hostname}:${port}`, "content-length": Buffer.byteLength(BODY) }
  return new Promise((settle, reject) => {
    const asked = request({ ...place, path, method: "POST", headers, agent }, (answer) => {
      if (answer.statusCode !== 200) reject(new Error(`status ${answer.statusCode}`))
      answer.resume().once("end", settle)
    })
    asked.once("error", reject)
    asked.end(BODY)
  })
}

/** Port null when it is not installed. */
async function openMitmdump(): Promise<AsyncDisposable & { readonly port: number | null }> {
  if (!isInstalled("mitmdump")) {
    process.stderr.write("mitmdump is not installed (apt-get install mitmproxy): no comparison with it\n")
    return { port: null, [Symbol.asyncDispose]: async () => undefined }
  }
  const dir = mkdtempSync(join(tmpdir(), "stereo-bench-"))
  const port = await freePort()
  const options = ["--set", `confdir=${dir}`, "-q", "--listen-host", "127.0.0.1", "-p", String(port)]
  const child = spawn("mitmdump", [...options, "-w", join(dir, "flows")], { stdio: "ignore" })
  await answering(port, child)
  return {
    port,
    async [Symbol.asyncDispose]() {
      const ended = new Promise((settle) => child.once("close", settle))
      child.kill("SIGKILL")
      await ended
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function isInstalled(program: string): boolean {
  try {
    execFileSync("which", [program], { stdio: "ignore" })
    return true
  } catch (thrown) {
    if (thrown instanceof Error && "status" in thrown) return false
    throw thrown
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((settle) => server.listen(0, "127.0.0.1", settle))
  const address = server.address()
  await new Promise((settle) => server.close(settle))
  return typeof address === "object" && address !== null ? address.port : 0
}

async function answering(port: number, child: ChildProcess): Promise<void> {
  for (let round = 0; round < 200 && child.exitCode === null; round += 1) {
    const answered = await new Promise<boolean>((settle) => {
      const asked = request({ host: "127.0.0.1", port, path: "/" }, (answer) => {
        answer.resume()
        settle(true)
      })
      asked.once("error", () => settle(false))
      asked.end()
    })
    if (answered) return
    await new Promise((settle) => setTimeout(settle, 100))
  }
  throw new Error("mitmdump did not begin to listen")
}
