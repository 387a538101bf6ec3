// The inspector: root by the control wire looks at what the attack's processes hold, which they cannot hide.

import { execFileSync } from "node:child_process"
import { readdirSync, readFileSync, readlinkSync } from "node:fs"

const NAMESPACES = ["user", "net", "pid", "mnt"]
const FAMILIES = ["tcp", "udp", "unix", "netlink", "packet", "raw", "icmp"]

export async function main(job, lines) {
  const families = readFamilies()
  const all = readdirSync("/proc").filter((name) => /^\d+$/.test(name))
  const processes = all.flatMap((pid) => tryTo(() => inspect(pid, job.nonce, families)) ?? [])
  const guardians = all.flatMap((pid) => tryTo(() => inspectGuardian(pid)) ?? [])
  process.stdout.write(`${JSON.stringify({ processes, guardians, setuid: findSetuid() })}\n`)
  process.stdout.write(`${JSON.stringify({ done: true })}\n`)
  await lines.next()
}

function inspect(pid, nonce, families) {
  const environment = readFileSync(`/proc/${pid}/environ`, "latin1")
  if (!environment.includes(`STEREO_ATTACK=${nonce}`)) return []
  const status = readFileSync(`/proc/${pid}/status`, "latin1")
  return [
    {
      pid: Number(pid),
      marker: /STEREO_ATTACK_CASE=([a-z0-9]+)/.exec(environment)?.[1] ?? "",
      uids: (/^Uid:\s+(.*)$/m.exec(status)?.[1] ?? "").split(/\s+/).map(Number),
      capabilities: /^CapEff:\s+(\w+)$/m.exec(status)?.[1] ?? "",
      namespaces: namespacesOf(pid),
      given: { ...namespacesOf("1"), mnt: mountsGivenTo(pid) },
      descriptors: descriptorsOf(pid, families),
    },
  ]
}

/** stereo's two programs: who traces them, and since when they run. */
function inspectGuardian(pid) {
  const command = readFileSync(`/proc/${pid}/cmdline`, "latin1")
  const name = /\/usr\/lib\/stereo\/(agent|capture)\.mjs/.exec(command)?.[1]
  if (name === undefined) return []
  const status = readFileSync(`/proc/${pid}/status`, "latin1")
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
  const startTicks = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19])
  const uptime = Number(readFileSync("/proc/uptime", "latin1").split(" ")[0])
  return [
    {
      name,
      tracer: Number(/^TracerPid:\s+(\d+)$/m.exec(status)?.[1] ?? 0),
      ageSeconds: uptime - startTicks / 100,
    },
  ]
}

function namespacesOf(pid) {
  return Object.fromEntries(NAMESPACES.map((name) => [name, readlinkSync(`/proc/${pid}/ns/${name}`)]))
}

/** By the unit of a session. */
const mounts = new Map()

/**
 * The view of the files that the process's session was given, which its sshd has. The session is known by its control
 * group, which no process can leave; where nobody of it is left, the machine's own view is all that was given.
 */
function mountsGivenTo(pid) {
  const unit =
    /\/(stereo-(?:root-)?session@[^/\n]+)/.exec(readFileSync(`/proc/${pid}/cgroup`, "latin1"))?.[1] ?? ""
  if (!mounts.has(unit))
    mounts.set(unit, (tryTo(() => namespacesOf(mainPidOf(unit))) ?? namespacesOf("1")).mnt)
  return mounts.get(unit)
}

function mainPidOf(unit) {
  const args = ["show", "--property=MainPID", "--value", unit]
  return execFileSync("systemctl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim()
}

function descriptorsOf(pid, families) {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    const link = tryTo(() => readlinkSync(`/proc/${pid}/fd/${fd}`))
    if (link === null) return []
    const inode = /^socket:\[(\d+)\]$/.exec(link)?.[1]
    return [inode === undefined ? link : `socket ${families.get(inode) ?? "of another family"}`]
  })
}

function readFamilies() {
  const found = new Map()
  for (const family of FAMILIES) {
    const rows = tryTo(() => readFileSync(`/proc/net/${family}`, "latin1").split("\n").slice(1)) ?? []
    for (const row of rows)
      for (const word of row.trim().split(/\s+/)) if (/^\d{3,}$/.test(word)) found.set(word, family)
  }
  return found
}

function findSetuid() {
  const args = ["/", "-xdev", "-perm", "/6000", "-type", "f"]
  return (
    tryTo(() => execFileSync("find", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })) ?? ""
  )
    .split("\n")
    .filter((line) => line !== "")
}

function tryTo(work) {
  try {
    return work()
  } catch {
    return null // it ended while it was looked at
  }
}
