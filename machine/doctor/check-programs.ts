/** The programs that stereo needs of the host, and whether its kernel lets bubblewrap work. */

import { reasonOf } from "../../contract/fault.ts"
import { renderBubblewrapArgs } from "../render-bubblewrap-args.ts"
import { runToEnd } from "../run.ts"
import type { Finding } from "./finding.ts"

const TIMEOUT_MS = 10_000

export async function checkPrograms(): Promise<readonly Finding[]> {
  const bubblewrap = await checkProgram({
    subject: "bubblewrap",
    file: "bwrap",
    need: "QEMU and all programs of the tools tree run in it; without it nothing starts",
  })
  const apt = await checkProgram({
    subject: "apt",
    file: "apt-get",
    need: "Debian's packages are chosen and fetched with it; images that are built run without",
  })
  return [bubblewrap, await checkNamespaces(bubblewrap), { ...apt, found: apt.found.split("\n")[0] ?? "" }]
}

/** Runs QEMU from the tools tree as a machine would have it, only to ask for its version. */
export async function checkTools(toolsDir: string | null): Promise<Finding> {
  const subject = "tools tree"
  const meaning = "QEMU and the programs that make images come from it, since the host's are too old"
  const fix = "stereo setup"
  if (toolsDir === null) return { subject, status: "fail", found: "there is none", meaning, fix }
  const end = await runToEnd(
    sandboxed(toolsDir, "/usr/bin/qemu-system-x86_64", ["--version"]),
    TIMEOUT_MS,
  ).catch((thrown: unknown) => ({ code: null, output: reasonOf(thrown) }))
  const line = end.output.trim().split("\n")[0] ?? ""
  if (end.code !== 0) return { subject, status: "fail", found: `QEMU does not start: ${line}`, meaning, fix }
  return { subject, status: "ok", found: line.replace(/ \(Debian.*/, ""), meaning, fix: null }
}

/** What only some commands have a use for: nothing is wrong without it. */
export async function checkOptional(): Promise<Finding> {
  const end = await runToEnd({ file: "packer", args: ["version"] }, TIMEOUT_MS).catch(() => null)
  const version = /^Packer v(\S+)/m.exec(end?.output ?? "")?.[1]
  return {
    subject: "packer",
    status: "ok",
    found: version === undefined ? "not installed, and not needed" : version,
    meaning:
      "only a pipeline of its own needs it: stereo packer --packer-version renders for any from 1.6.6 on",
    fix: null,
  }
}

interface Program {
  readonly subject: string
  readonly file: string
  readonly need: string
}

async function checkProgram({ subject, file, need }: Program): Promise<Finding> {
  const end = await runToEnd({ file, args: ["--version"] }, TIMEOUT_MS).catch(() => null)
  if (end?.code === 0) {
    return { subject, status: "ok", found: end.output.trim(), meaning: need, fix: null }
  }
  const fix = `apt-get install ${subject}`
  return { subject, status: "fail", found: "not installed", meaning: need, fix }
}

async function checkNamespaces(bubblewrap: Finding): Promise<Finding> {
  const subject = "user namespaces"
  const meaning = "each QEMU gets an empty network and no view of the host by them"
  if (bubblewrap.status !== "ok") {
    return { subject, status: "fail", found: "cannot be tried without bubblewrap", meaning, fix: null }
  }
  const end = await runToEnd(sandboxed("/", "/usr/bin/true", []), TIMEOUT_MS)
  if (end.code === 0) return { subject, status: "ok", found: "allowed", meaning, fix: null }
  return {
    subject,
    status: "fail",
    found: end.output.trim().split("\n")[0] ?? "bubblewrap failed",
    meaning,
    fix: "sysctl -w kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0",
  }
}

function sandboxed(toolsDir: string, file: string, args: readonly string[]) {
  return renderBubblewrapArgs({
    toolsDir: toolsDir === "/" ? "" : toolsDir,
    ...{ readOnly: {}, writable: {}, devices: [], dieWithParent: true, infoFd: null },
    command: { file, args },
  })
}
