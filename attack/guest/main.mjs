// The guest's half of the battery: tries what it is told, and says only how long each took and what it looked
// like from inside. Whether something got out is judged on the host, by witnesses that the guest cannot reach.

import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { runThroughGateway } from "./gateway-job.mjs"
import { holdShell, releaseHeld } from "./held.mjs"
import { calls, frames } from "./kernel.mjs"
import { dns, raw, tcp, udp, web } from "./sockets.mjs"

/** What speaks HTTP waits for an answer that will come; of the others silence is the answer. */
const DEADLINES_MS = { web: 10_000, raw: 10_000, other: 3000 }
const PULSE_HOST = "pulse.attack.example"
const PULSE_END = ` HTTP/1.1\r\nHost: ${PULSE_HOST}\r\nConnection: close\r\n\r\n`

/** `lines` gives one more line when the host has looked at what is held open. */
export async function main(job, lines) {
  // one attempt that goes wrong in a way of its own must not end the others
  process.on("uncaughtException", (error) => process.stderr.write(`${error.stack}\n`))
  const print = (said) => process.stdout.write(`${JSON.stringify(said)}\n`)
  const context = { dir: job.dir, nonce: job.nonce, pids: { capture: pidOf("capture.mjs") } }
  // the host's capture of the wire must see these, or it sees nothing at all; and what is slow the first time is over
  await pulse({ to: "proxy", send: [`GET http://${PULSE_HOST}/${PULSE_END}`] })
  await pulse({ to: "https", sni: PULSE_HOST, send: [`GET /${PULSE_END}`] })
  for (const part of job.parts) {
    prepare(part)
    if (part.name === "probes") await runProbes(part.tasks, job.atATime, context, print)
    else await runThroughGateway(part.tasks, context, print)
    await runProbes(part.tasks.filter(isPlain(part)), job.atATime, context, print)
    restore(part)
  }
  print({ done: true })
  await lines.next()
  releaseHeld()
}

async function pulse(how) {
  await raw(how).catch((thrown) => process.stderr.write(`pulse: ${thrown.message}\n`))
}

/** After the filter is gone, plain probes come beside those that need the gateway. */
function isPlain(part) {
  return (task) => part.name === "flushed" && !task.how.kind.startsWith("gateway")
}

async function runProbes(tasks, atATime, context, print) {
  const waiting = [...tasks]
  const worker = async () => {
    for (let task = waiting.shift(); task; task = waiting.shift()) {
      const startedAt = performance.now()
      const remark = await attempt(task, context)
      print({
        id: task.id,
        ms: Math.round(performance.now() - startedAt),
        remark: String(remark).slice(0, 160),
      })
    }
  }
  await Promise.all(Array.from({ length: atATime }, worker))
}

async function attempt(task, context) {
  const how = fill(task.how, task, context)
  const deadlineMs = how.deadlineMs ?? DEADLINES_MS[how.kind] ?? DEADLINES_MS.other
  let timer = null
  const late = new Promise((settle) => {
    timer = setTimeout(() => settle("silence"), deadlineMs)
  })
  try {
    return await Promise.race([probe(how, task, context), late])
  } catch (thrown) {
    return thrown.code ?? thrown.message
  } finally {
    clearTimeout(timer)
  }
}

function probe(how, task, context) {
  switch (how.kind) {
    case "tcp":
      return tcp(how, task.marker)
    case "udp":
      return udp(how, task.marker)
    case "dns":
      return dns(how, task.marker)
    case "web":
      return web(how, task.marker)
    case "raw":
      return raw(how)
    case "shell":
      return holdShell(how.script, task.marker, context)
    case "calls":
      return calls(how.calls, task.marker, context)
    case "frames":
      return frames(how.frames, task.marker, context)
    default:
      return `no way to try ${how.kind}`
  }
}

/** Marker, ports, processes and variables into every text of a probe. */
function fill(value, task, context) {
  if (typeof value === "string") {
    return value
      .replaceAll("{m}", task.marker)
      .replaceAll("{canary}", String(task.canary))
      .replace(/\{pid:(\w+)\}/g, (_all, name) => String(context.pids[name]))
      .replace(/\{env:(\w+)\}/g, (_all, name) => process.env[name] ?? "")
  }
  if (Array.isArray(value)) return value.map((one) => fill(one, task, context))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one, task, context)]))
}

function prepare(part) {
  if (part.name === "probes") return
  command("systemctl", ["stop", "stereo-capture"])
  if (part.name === "flushed") command("nft", ["flush", "ruleset"])
}

function restore(part) {
  if (part.name === "probes") return
  if (part.name === "flushed") command("nft", ["-f", "/usr/lib/stereo/firewall.nft"])
  command("systemctl", ["start", "stereo-capture"])
}

function command(file, args) {
  try {
    execFileSync(file, args, { stdio: "ignore", timeout: 15_000 })
  } catch (thrown) {
    process.stderr.write(`${file} ${args.join(" ")}: ${thrown.message}\n`)
  }
}

/** The first process whose command line holds the text; 1 if none can be seen. */
function pidOf(text) {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name))
  return Number(pids.find((pid) => commandOf(pid).includes(text)) ?? 1)
}

function commandOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1")
  } catch {
    return "" // it ended, or is nobody's business
  }
}
