/** What the agent's sessions may use: from a definition to units of systemd and settings of the kernel. */

import { Fault } from "../../contract/fault.ts"
import type { ImageDefinition } from "../image-definition.ts"
import type { PlannedExposure, PlannedSession, PlannedSysctl } from "../plan.ts"

/** Fault: `image/incomplete` where neither the image nor strict says a limit. */
export function planSession({ name, session }: ImageDefinition): PlannedSession {
  const { memory, tasks, cpu, io, user_namespaces } = session
  if (memory === undefined) throw missing(name, "memory", 'percent = 75, why = "…"')
  if (tasks === undefined) throw missing(name, "tasks", 'max = 4096, why = "…"')
  if (cpu === undefined) throw missing(name, "cpu", 'weight = 50, why = "…"')
  if (io === undefined) throw missing(name, "io", 'weight = 50, why = "…"')
  return { memory, tasks, cpu, io, userNamespaces: user_namespaces ?? null }
}

/** Drop-ins for the units of base that hold the sessions. */
export function renderSessionUnits(definition: ImageDefinition): { path: string; text: string }[] {
  const { memory, tasks, cpu, io, userNamespaces } = planSession(definition)
  const limits = [
    `MemoryMax=${memory.percent}%`,
    "MemorySwapMax=0",
    `CPUWeight=${cpu.weight}`,
    `IOWeight=${io.weight}`,
  ]
  // so that a session that has used up its own leaves room for another, to look at it
  const ofAll = [...limits, `TasksMax=${tasks.max * 2}`]
  const ofEach = [...limits, `TasksMax=${tasks.max}`]
  const opened = userNamespaces === null ? [] : NAMESPACES
  return [
    { path: dropIn("stereo-sessions.slice"), text: renderUnit("Slice", ofAll) },
    { path: dropIn(SESSION_UNIT), text: renderUnit("Service", [...ofEach, ...opened]) },
  ]
}

/** What else user namespaces loosen: the kernel's own limit of them, and how exposed a session of the agent may be. */
export function loosenForNamespaces({ session: { user_namespaces } }: ImageDefinition): Loosened {
  if (user_namespaces === undefined) return { sysctls: [], exposures: [] }
  const { max, why } = user_namespaces
  const source = "session.user_namespaces"
  return {
    sysctls: [{ key: "user.max_user_namespaces", value: String(max), why, source }],
    exposures: [{ units: [SESSION_UNIT], atMost: NAMESPACES_EXPOSURE, why }],
  }
}

interface Loosened {
  readonly sysctls: readonly PlannedSysctl[]
  readonly exposures: readonly PlannedExposure[]
}

const SESSION_UNIT = "stereo-session@.service"

/** In tenths: what the lines below cost is 3.1 over strict; what a profile opens besides has room, and nothing large. */
const NAMESPACES_EXPOSURE = 35

/**
 * What a sandbox of the agent's own needs: the calls, and a /proc of which no part is covered, since the kernel lets
 * nobody mount a new one that would show more than the old.
 */
const NAMESPACES = [
  "RestrictNamespaces=no",
  "SystemCallFilter=@mount chroot pivot_root sethostname setgroups setuid setresuid setgid setresgid",
  "ProtectProc=default",
  "ProtectHostname=no",
  "ProtectKernelLogs=no",
  "ProtectKernelTunables=no",
  "ProtectControlGroups=no",
]

function dropIn(unit: string): string {
  return `/etc/systemd/system/${unit}.d/50-session.conf`
}

function renderUnit(section: string, lines: readonly string[]): string {
  return `# From [session] of the image.\n[${section}]\n${lines.join("\n")}\n`
}

function missing(image: string, key: string, example: string): Fault {
  return new Fault(
    "image/incomplete",
    `image ${image}: neither it nor what lies below it gives session.${key}`,
    { hint: `write for example [session.${key}] ${example}` },
  )
}
