/** QEMU as the host's kernel sees it: its rights, its namespaces, its words, its network. */

import { readFileSync, readlinkSync } from "node:fs"

export interface QemuFacts {
  /** Interfaces other than an idle loopback, and sockets, of its network namespace. */
  readonly namespace: readonly string[]
  readonly status: string
  readonly words: readonly string[]
  /** It shares none of the host's namespaces of network, mounts, processes and users. */
  readonly apart: boolean
}

const APART = ["net", "mnt", "pid", "user"]

export function readQemu(pid: number): QemuFacts {
  const proc = `/proc/${pid}`
  return {
    namespace: [...busyInterfaces(proc), ...sockets(proc)],
    status: readFileSync(`${proc}/status`, "utf8"),
    words: readFileSync(`${proc}/cmdline`, "utf8").split("\0"),
    apart: APART.every(
      (name) => readlinkSync(`${proc}/ns/${name}`) !== readlinkSync(`/proc/self/ns/${name}`),
    ),
  }
}

function busyInterfaces(proc: string): string[] {
  const rows = readFileSync(`${proc}/net/dev`, "utf8").trim().split("\n").slice(2)
  return rows.flatMap((row) => {
    const [name, received, , , , , , , , sent] = row.trim().split(/[\s:]+/)
    const idle = name === "lo" && received === "0" && sent === "0"
    return idle ? [] : [`interface ${name} received ${received}, sent ${sent}`]
  })
}

function sockets(proc: string): string[] {
  return ["tcp", "udp", "raw", "icmp"].flatMap((file) =>
    readFileSync(`${proc}/net/${file}`, "utf8")
      .trim()
      .split("\n")
      .slice(1)
      .map((row) => `${file} socket ${row.trim().split(/\s+/).slice(1, 3).join(" to ")}`),
  )
}
