/** What this host has and lacks for machines, as findings that each say what to type. */

import { readdir, realpath } from "node:fs/promises"
import { join } from "node:path"
import type { Home } from "../contract/home.ts"
import { silentProgress } from "../contract/progress.ts"
import { currentToolsTree } from "../contract/tools-tree.ts"
import { checkOptional, checkPrograms, checkTools } from "./doctor/check-programs.ts"
import { checkRoom } from "./doctor/check-room.ts"
import type { Finding } from "./doctor/finding.ts"
import { probeAccelerator } from "./probe/probe-accelerator.ts"

/** In the order in which a newcomer would put things right. */
export async function examineHost(home: Home, signal: AbortSignal): Promise<readonly Finding[]> {
  const toolsDir = await realpath(currentToolsTree(home)).catch(() => null)
  const programs = await checkPrograms()
  const tools = await checkTools(toolsDir)
  const usable = [...programs, tools].every(({ status }) => status !== "fail")
  const accelerator = await checkAccelerator(home, usable ? toolsDir : null, signal)
  const room = await checkRoom(home)
  return [...programs, tools, await checkImages(home), accelerator, ...room, await checkOptional()]
}

async function checkImages(home: Home): Promise<Finding> {
  const names = await readdir(join(home.images, "by-name")).catch(() => [])
  const shown = names.filter((name) => !name.startsWith(".")).sort()
  return {
    subject: "images",
    status: shown.length === 0 ? "fail" : "ok",
    found: shown.length === 0 ? "none is built" : shown.join(", "),
    meaning: "a machine starts from one of them",
    fix: shown.length === 0 ? "stereo build base" : null,
  }
}

async function checkAccelerator(home: Home, toolsDir: string | null, signal: AbortSignal): Promise<Finding> {
  const subject = "accelerator"
  if (toolsDir === null) {
    const found = "cannot be tried before what is missing above is there"
    return { subject, status: "warn", found, meaning: "KVM is used where it really runs a guest", fix: null }
  }
  const probe = { toolsDir, cacheFile: home.probe, device: "/dev/kvm", progress: silentProgress, signal }
  const answer = await probeAccelerator(probe)
  if (answer.accelerator === "kvm") {
    const meaning = "guests run at full speed, held by the hardware"
    return { subject, status: "ok", found: `KVM: ${answer.reason}`, meaning, fix: null }
  }
  return {
    subject,
    status: "warn",
    found: `TCG: ${answer.reason}`,
    meaning:
      "guests run emulated: slower, and QEMU promises no isolation under TCG; the sandbox around it is what holds",
    fix: "for isolation use a host with a working /dev/kvm; `stereo doctor --probe` tries again",
  }
}
