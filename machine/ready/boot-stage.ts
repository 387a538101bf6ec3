/** How far a machine got that did not become ready, read from its serial console; pure. */

/** In the order in which a boot passes them. */
export const BOOT_STAGES = ["firmware", "kernel", "initramfs", "systemd", "agent", "identity"] as const
export type BootStage = (typeof BOOT_STAGES)[number]

export interface StoppedBoot {
  /** The stage that was begun and not finished. */
  readonly stage: BootStage
  /** What that means, in words. */
  readonly meaning: string
}

const MEANINGS: Readonly<Record<BootStage, string>> = {
  firmware: "nothing came over the serial console: the firmware or the kernel's first steps did not run",
  kernel: "the kernel started, and did not reach the initramfs",
  initramfs: "the initramfs did not hand over: the root image may be damaged or its dm-verity hash wrong",
  systemd: "systemd started, and the guest agent was not reached",
  agent: "the guest agent answered, and one of its parts (firewall, capture proxy) did not come up",
  identity: "the guest agent answered, and did not take its identity",
}

/** What each stage prints when it is reached; the last one found counts. */
const MARKS: readonly (readonly [BootStage, RegExp])[] = [
  ["kernel", /Linux version |\] Command line:|Kernel panic/],
  ["initramfs", /Run \/init as init process|stereo-init:|device-mapper: /],
  ["systemd", /systemd\[1\]|Welcome to |stereo-init: switching/],
]

export interface BootEvidence {
  readonly console: string
  /** Code of the host's answer, for example `machine/no-control`; null if it gave none. */
  readonly hostCode: string | null
}

export function nameStoppedStage(evidence: BootEvidence): StoppedBoot {
  const told = stageOfHostCode(evidence.hostCode)
  const seen = MARKS.filter(([, mark]) => mark.test(evidence.console)).at(-1)?.[0] ?? "firmware"
  const stage = told ?? seen
  return { stage, meaning: MEANINGS[stage] }
}

function stageOfHostCode(code: string | null): BootStage | null {
  if (code === null) return null
  if (/identity/.test(code)) return "identity"
  return /health|capture|firewall/.test(code) ? "agent" : null
}
