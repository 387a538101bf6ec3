/** How far a machine got that did not become ready, read from its serial console; pure. */

/** In the order in which a boot passes them. */
const BOOT_STAGES = ["firmware", "kernel", "initramfs", "systemd", "agent", "identity"] as const
export type BootStage = (typeof BOOT_STAGES)[number]

export interface StoppedBoot {
  /** The stage that was begun and not finished. */
  readonly stage: BootStage
  /** What that means, in words. */
  readonly meaning: string
}

const MEANINGS: Readonly<Record<BootStage, string>> = {
  firmware: "the firmware did not get as far as starting the kernel",
  kernel: "the firmware started the kernel, and neither the initramfs nor systemd was reached",
  initramfs: "the initramfs did not hand over: the root image may be damaged or its dm-verity hash wrong",
  systemd: "systemd started, and the guest agent did not answer",
  agent: "the guest agent answered, and one of the parts that protect the guest did not come up",
  identity: "the guest agent answered, and did not take its identity",
}

/** What is on the console once a stage is reached; a quiet kernel itself prints nothing. The last one found counts. */
const MARKS: readonly (readonly [BootStage, RegExp])[] = [
  ["kernel", /Booting from ROM|Linux version /],
  ["initramfs", /stereo-init:|Run \/init as init process/],
  // systemd's first act on a console is to reset it
  ["systemd", new RegExp(`systemd\\[1\\]|Welcome to |${String.fromCharCode(27)}\\[!p`)],
]

export interface BootEvidence {
  /** The console as the guest wrote it, escape sequences included. */
  readonly console: string
  /** What the host service said it was still waiting for; empty if it said nothing. */
  readonly hostReason: string
}

export function nameStoppedStage(evidence: BootEvidence): StoppedBoot {
  const seen = MARKS.filter(([, mark]) => mark.test(evidence.console)).at(-1)?.[0] ?? "firmware"
  const stage = stageTheHostSaw(evidence.hostReason) ?? seen
  return { stage, meaning: MEANINGS[stage] }
}

function stageTheHostSaw(reason: string): BootStage | null {
  if (/waiting for .*identity/.test(reason)) return "identity"
  return /waiting for .*(firewall|capture)/.test(reason) ? "agent" : null
}
