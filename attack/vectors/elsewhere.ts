/** Bypasses seen in other systems that have nothing to stand on here, each with the reason. */

export interface Elsewhere {
  readonly seenIn: string
  readonly reason: string
}

export const seenElsewhere: readonly Elsewhere[] = [
  {
    seenIn:
      "CVE-2026-25725 (Claude Code bwrap): a config file absent at start could be created and ran on the host",
    reason:
      "no folder of the host is in the machine: files go through the streams of `stereo exec` (see 97-no-shares)",
  },
  {
    seenIn: "OpenSandbox#1069: a webhook for denials, set by the user, carried the denied names out",
    reason: "there is no webhook: refusals are rows of the archive on the host",
  },
  {
    seenIn: "container-use#365: path traversal in an export",
    reason: "there is no export: nothing on the host takes apart what a guest packed",
  },
  {
    seenIn:
      "AgentENV#33, substrate#1524, gondolin#148, forkd#288: forked machines shared their random numbers and clock",
    reason:
      "machines are booted, never forked or restored from memory, and each gets entropy and time from the host at start",
  },
]
