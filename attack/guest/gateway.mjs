// Speaks HTTP/2 to the gateway past the capture proxy, as the proxy's own user: what is left to guest root.

import http2 from "node:http2"
import net from "node:net"
import { text } from "node:stream/consumers"

const GATEWAY = { host: "10.0.2.100", port: 3128 }
const DEADLINE_MS = 4000

const tasks = JSON.parse(await text(process.stdin))
const asked = tasks.filter((task) => task.how.kind === "gateway")
const session = asked.length > 0 ? await openSession() : null
for (const task of asked) await report(task, () => ask(session, task))
session?.destroy()
for (const task of tasks.filter((one) => one.how.kind === "gateway-bytes"))
  await report(task, () => sendBytes(task))
process.exit(0)

async function report(task, work) {
  const startedAt = performance.now()
  const remark = await work().catch((thrown) => thrown.code ?? thrown.message)
  const said = {
    id: task.id,
    ms: Math.round(performance.now() - startedAt),
    remark: String(remark).slice(0, 160),
  }
  process.stdout.write(`${JSON.stringify(said)}\n`)
}

/** The wire is one stream: a newcomer's first connections may meet the rest of the one before. */
async function openSession() {
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const session = http2.connect(`http://${GATEWAY.host}:${GATEWAY.port}`)
    const good = await new Promise((settle) => {
      session.on("error", () => settle(false))
      session.once("close", () => settle(false))
      session.once("remoteSettings", () => session.ping((error) => settle(error === null)))
      setTimeout(() => settle(false), 2500)
    })
    if (good) return session
    session.destroy()
    await new Promise((settle) => setTimeout(settle, 300))
  }
  return null
}

async function ask(session, { how, marker }) {
  if (session === null || session.destroyed) return "the gateway does not answer"
  const put = (value) => (Array.isArray(value) ? value.map(put) : value.replaceAll("{m}", marker))
  const headers = Object.fromEntries(Object.entries(how.headers).map(([name, value]) => [name, put(value)]))
  let last = ""
  for (let count = how.repeat ?? 1; count > 0; count -= 1) last = await askOnce(session, headers, how)
  return last
}

function askOnce(session, headers, how) {
  return new Promise((settle) => {
    const stream = session.request(headers, { endStream: how.body === undefined && !how.fillBytes })
    let seen = "no answer"
    stream.setTimeout(DEADLINE_MS, () => stream.close())
    stream.on("response", (answer) => {
      seen = `${answer[":status"]} ${answer["stereo-verdict"] ?? ""}`
    })
    stream.on("error", (error) => settle(error.code ?? error.message))
    stream.once("close", () => settle(seen))
    stream.resume()
    if (how.reset) stream.close(http2.constants.NGHTTP2_CANCEL)
    if (how.body !== undefined || how.fillBytes) stream.end((how.body ?? "") + "x".repeat(how.fillBytes ?? 0))
  })
}

async function sendBytes({ how }) {
  let last = ""
  for (let count = how.repeat ?? 1; count > 0; count -= 1) last = await sendOnce(Buffer.from(how.hex, "hex"))
  return last
}

function sendOnce(bytes) {
  return new Promise((settle) => {
    const socket = net.connect(GATEWAY)
    const end = (seen) => {
      socket.destroy()
      settle(seen)
    }
    socket.once("connect", () => socket.write(bytes))
    socket.once("data", (chunk) => end(`answered ${chunk.length} bytes`))
    socket.once("error", (error) => end(error.code))
    socket.once("close", () => end("closed"))
    setTimeout(() => end("silence"), 1500)
  })
}
