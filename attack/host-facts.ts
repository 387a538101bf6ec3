/** Facts of the host that are promised: each null when it is so, otherwise what is there instead. Pure but for `read`. */

import type { HostCheck } from "./vector.ts"
import type { QemuFacts } from "./witness/read-qemu.ts"

export interface HostState {
  readonly qemu: QemuFacts
  /** Mode bits by path, of sockets and folders that are the user's alone. */
  readonly modes: Readonly<Record<string, number>>
  /** /proc/self/mountinfo. */
  readonly mounts: string
  readonly dataDisk: string
  /** A digest of the image's files before and after. */
  readonly imageBefore: string
  readonly imageAfter: string
  readonly consoleBytes: number
}

/** The sweep shortens a console above 16 MiB; it comes by now and then. */
const MAX_CONSOLE_BYTES = 64 * 1024 * 1024

export function checkHostFact(check: HostCheck, state: HostState): string | null {
  switch (check) {
    case "qemu-namespace":
      return state.qemu.namespace.length === 0 ? null : state.qemu.namespace.join("; ")
    case "qemu-confined":
      return describeRights(state.qemu)
    case "qemu-arguments":
      return describeArguments(state.qemu.words)
    case "disk-not-mounted":
      return state.mounts.includes(state.dataDisk) || /\/dev\/(loop|nbd)\d+ .*stereo/.test(state.mounts)
        ? `the host has ${state.dataDisk} mounted`
        : null
    case "sockets-private":
      return describeModes(state.modes)
    case "image-unchanged":
      return state.imageBefore === state.imageAfter ? null : "the image's files have changed"
    case "console-bounded":
      return state.consoleBytes <= MAX_CONSOLE_BYTES
        ? null
        : `the console's log has ${state.consoleBytes} bytes`
    default:
      return check satisfies never
  }
}

function describeRights({ status, apart }: QemuFacts): string | null {
  const field = (name: string) => new RegExp(`^${name}:\\s+(\\S+)`, "m").exec(status)?.[1] ?? ""
  const wrong = [
    ...(/^0+$/.test(field("CapEff")) ? [] : [`effective capabilities ${field("CapEff")}`]),
    ...(field("NoNewPrivs") === "1" ? [] : ["it may gain rights"]),
    ...(field("Seccomp") === "2" ? [] : ["no seccomp filter"]),
    ...(apart ? [] : ["it shares a namespace with the host"]),
  ]
  return wrong.length === 0 ? null : `QEMU: ${wrong.join(", ")}`
}

/** Devices and options by which a machine would share folders, listen, or guess a disk's format. */
function describeArguments(words: readonly string[]): string | null {
  const text = words.join(" ")
  const wrong = [
    ...(/virtfs|9p|vhost-user|virtiofs|hostfwd|-(?:vnc|spice|gdb|monitor (?!none))/.exec(text) ?? []),
    ...words.filter((word) => word.startsWith("driver=") && !word.startsWith("driver=raw,")),
    ...(words.includes("-drive") ? ["-drive"] : []),
    ...(/restrict=on/.test(text) ? [] : ["the network without restrict=on"]),
    ...(/spawn=deny/.test(text) ? [] : ["a sandbox that lets programs be started"]),
  ]
  return wrong.length === 0 ? null : `QEMU was started with ${wrong.join(", ")}`
}

function describeModes(modes: Readonly<Record<string, number>>): string | null {
  const open = Object.entries(modes).filter(([, mode]) => (mode & 0o077) !== 0)
  if (open.length === 0) return null
  return open.map(([path, mode]) => `${path} has mode ${(mode & 0o777).toString(8)}`).join(", ")
}
