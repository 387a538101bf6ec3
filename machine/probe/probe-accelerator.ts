/** Finds out once per host boot whether KVM really runs guests here; /dev/kvm may open and still hang them all. */

import { access, constants, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { z } from "zod"
import { reasonOf } from "../../contract/fault.ts"
import type { Progress } from "../../contract/progress.ts"
import { renderBubblewrapArgs } from "../render-bubblewrap-args.ts"
import { type CommandEnd, runToEnd } from "../run.ts"
import { BOOTED_EXIT_CODE, renderBootSector, renderProbeArgs } from "./boot-sector.ts"

const probeAnswer = z.strictObject({
  /** /proc/sys/kernel/random/boot_id when it was found out. */
  bootId: z.string(),
  accelerator: z.enum(["kvm", "tcg"]),
  /** What was seen, in words. */
  reason: z.string(),
})
export type ProbeAnswer = z.infer<typeof probeAnswer>

export interface ProbeRequest {
  readonly toolsDir: string
  /** Where the answer is kept; see contract/home.ts. */
  readonly cacheFile: string
  /** The host's KVM device. */
  readonly device: string
  readonly progress: Progress
  readonly signal: AbortSignal
}

/** A guest this small needs 0.2 s; on a host whose KVM crawls it needs many times that, and a kernel forever. */
const DEADLINE_MS = 3000

export async function probeAccelerator(request: ProbeRequest): Promise<ProbeAnswer> {
  const bootId = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim()
  const known = await readCached(request.cacheFile)
  if (known?.bootId === bootId) return known
  const found = await request.progress.step("Try KVM", async (note) => {
    const tried = await probe(request)
    note(`${tried.reason}; guests use ${tried.accelerator}`)
    return tried
  })
  const answer = { bootId, ...found }
  await writeFile(request.cacheFile, `${JSON.stringify(answer)}\n`, { mode: 0o600 })
  return answer
}

async function readCached(file: string): Promise<ProbeAnswer | null> {
  const text = await readFile(file, "utf8").catch(() => null)
  if (text === null) return null
  const parsed = probeAnswer.safeParse(parseJson(text))
  return parsed.success ? parsed.data : null
}

async function probe(request: ProbeRequest): Promise<Omit<ProbeAnswer, "bootId">> {
  const { device } = request
  const denied = await access(device, constants.R_OK | constants.W_OK).then(() => null, reasonOf)
  if (denied !== null) {
    const missing = denied.includes("ENOENT")
    return { accelerator: "tcg", reason: missing ? `there is no ${device}` : `${device} may not be opened` }
  }
  return judge(device, await boot(request))
}

function judge(device: string, end: CommandEnd): Omit<ProbeAnswer, "bootId"> {
  if (end.code === BOOTED_EXIT_CODE) return { accelerator: "kvm", reason: `a guest booted on ${device}` }
  const seconds = DEADLINE_MS / 1000
  const seen = end.timedOut
    ? `a guest of 512 bytes had not booted after ${seconds} s`
    : `QEMU ended with ${end.signal ?? `code ${end.code}`}: ${firstLine(end.output)}`
  return { accelerator: "tcg", reason: `${device} opens, but ${seen}` }
}

async function boot(request: ProbeRequest): Promise<CommandEnd> {
  const dir = await mkdtemp(join(dirname(request.cacheFile), ".probe-"))
  try {
    await writeFile(join(dir, "boot.img"), renderBootSector())
    const command = renderBubblewrapArgs({
      toolsDir: request.toolsDir,
      readOnly: { "/m": dir },
      writable: {},
      devices: [request.device],
      dieWithParent: true,
      infoFd: null,
      command: renderProbeArgs("kvm"),
    })
    return await runToEnd(command, DEADLINE_MS, request.signal)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function firstLine(output: string): string {
  return (
    output
      .trim()
      .split("\n")[0]
      ?.replace(/^qemu-system-x86_64: (error: )?/, "") || "no message"
  )
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (thrown) {
    return reasonOf(thrown)
  }
}
