// Runs inside the guest: reads the name of a way out from each line of standard input, tries it, and answers
// with one JSON line.
// It only reports what it saw; whether something really got out is judged by witnesses outside the guest.

import { spawn } from "node:child_process"
import dgram from "node:dgram"
import http from "node:http"
import https from "node:https"
import net from "node:net"
import { createInterface } from "node:readline"

const DEADLINE_MS = 3000
const PUBLIC = "1.1.1.1"
/** A static busybox that the test put into the agent's home: Node opens no raw sockets. */
const BUSYBOX = "/home/agent/busybox"
const QUERY = Buffer.from("0001010000010000000000000765786d61706c6503636f6d0000010001", "hex")

const attempts = {
  "tcp-public": () => tcp(PUBLIC, 22),
  "tcp-high-port": () => tcp(PUBLIC, 65535),
  "udp-public": () => udp(PUBLIC, 4433, Buffer.from("leak")),
  "quic-port": () => udp(PUBLIC, 443, Buffer.from("leak")),
  "dns-outside": () => udp("8.8.8.8", 53, QUERY),
  "dns-outside-tcp": () => tcp("8.8.8.8", 53),
  "icmp-echo": () => program([BUSYBOX, "ping", "-c", "1", "-W", "2", PUBLIC]),
  "raw-socket": () => program([BUSYBOX, "arping", "-c", "1", "-w", "2", "-I", "eth0", "10.0.2.2"]),
  ipv6: () => tcp("2606:4700:4700::1111", 443),
  "host-not-in-set": () => request(https, { host: "example.com", path: "/" }),
  "plain-http": () => request(http, { host: "example.com", path: "/" }),
  "ip-literal": () => request(https, { host: PUBLIC, path: "/" }),
  metadata: () => request(http, { host: "169.254.169.254", path: "/latest/meta-data/" }),
  "connect-refused-host": () => connect("evil.example:443"),
  "connect-odd-port": () => connect("api.anthropic.com:22"),
  "slirp-host": () => tcp("10.0.2.2", 22),
  "slirp-host-http": () => request(http, { host: "10.0.2.2", path: "/" }),
  "gateway-direct": () => tcp("10.0.2.100", 3128),
}

for await (const id of createInterface({ input: process.stdin })) {
  const startedAt = performance.now()
  const seen = await Promise.race([attempt(id), afterDeadline()])
  process.stdout.write(`${JSON.stringify({ id, ...seen, ms: Math.round(performance.now() - startedAt) })}\n`)
}
process.exit(0)

/** A name from the list, or `tcp HOST PORT`, `udp HOST PORT`. */
function attempt(id) {
  const [kind, host, port] = id.split(" ")
  if (host === undefined) return attempts[id]()
  return kind === "tcp" ? tcp(host, Number(port)) : udp(host, Number(port), Buffer.from("leak"))
}

function afterDeadline() {
  return new Promise((settle) =>
    setTimeout(() => settle({ outcome: "silence", detail: "no answer" }), DEADLINE_MS),
  )
}

function tcp(host, port) {
  return new Promise((settle) => {
    const socket = net.connect({ host, port })
    socket.once("connect", () => settle({ outcome: "CONNECTED", detail: `${host}:${port}` }))
    socket.once("error", (error) => settle({ outcome: "refused", detail: error.code }))
  })
}

function udp(host, port, payload) {
  return new Promise((settle) => {
    const socket = dgram.createSocket("udp4")
    let again = null
    const end = (seen) => {
      clearTimeout(again)
      socket.removeAllListeners("message")
      settle(seen)
    }
    const refused = (error) => end({ outcome: "refused", detail: error.code })
    socket.on("error", refused)
    socket.on("message", () => end({ outcome: "ANSWERED", detail: `${host}:${port}` }))
    socket.connect(port, host, (error) => {
      if (error) return refused(error)
      const send = () => socket.send(payload, (failed) => failed && refused(failed))
      again = setTimeout(send, 300)
      send()
    })
  })
}

function request(client, options) {
  return new Promise((settle) => {
    const asked = client.request({ ...options, rejectUnauthorized: false, agent: false }, (answer) => {
      answer.resume()
      const rule = answer.headers["stereo-verdict"]
      const outcome = answer.statusCode === 403 && rule ? "refused" : "ANSWERED"
      settle({ outcome, detail: `${answer.statusCode}`, rule })
    })
    asked.once("error", (error) => settle({ outcome: "refused", detail: error.code }))
    asked.end()
  })
}

function connect(authority) {
  return new Promise((settle) => {
    const asked = http.request({
      host: "127.0.0.1",
      port: 3128,
      method: "CONNECT",
      path: authority,
      agent: false,
    })
    const answered = (answer) => {
      const rule = answer.headers["stereo-verdict"]
      const outcome = answer.statusCode === 403 && rule ? "refused" : "ANSWERED"
      settle({ outcome, detail: `${answer.statusCode}`, rule })
    }
    asked.once("connect", answered)
    asked.once("response", answered)
    asked.once("error", (error) => settle({ outcome: "refused", detail: error.code }))
    asked.end()
  })
}

function program(argv) {
  return new Promise((settle) => {
    const child = spawn(argv[0], argv.slice(1), { stdio: ["ignore", "pipe", "pipe"] })
    let said = ""
    child.stdout.on("data", (chunk) => (said += chunk))
    child.stderr.on("data", (chunk) => (said += chunk))
    child.once("error", (error) => settle({ outcome: "error", detail: error.code }))
    child.once("close", (code) => {
      const last = said.trim().split("\n").at(-1) ?? ""
      settle({ outcome: code === 0 ? "ANSWERED" : "refused", detail: last })
    })
  })
}
