/** Sessions of the agent whose limits are set lower while they wait: the real ones take minutes to reach under TCG. */

import type { CommandResult, TestHome } from "./test-home.ts"

const SESSIONS = "/sys/fs/cgroup/stereo.slice/stereo-sessions.slice"

/** Runs a shell command as the agent as soon as `setOff` has set a limit of its session. */
export function startArmed(home: TestHome, machine: string, command: string): Promise<CommandResult> {
  const script = `touch /tmp/armed; until [ -e /tmp/go ]; do sleep 0.2; done; rm /tmp/go; ${command}`
  return home.stereo(["exec", machine, "--", "sh", "-c", script])
}

/** Sets a limit of the session that waits, and lets it go. Gives the folder of its control group. */
export async function setOff(
  home: TestHome,
  machine: string,
  limit: "pids.max" | "memory.max",
  value: string,
): Promise<string> {
  const script = `until [ -e /tmp/armed ]; do sleep 0.2; done; rm /tmp/armed
    g=$(ls -td ${SESSIONS}/stereo-session@* | head -1); echo ${value} >$g/${limit}; install -o agent -m 0600 /dev/null /tmp/go; echo $g`
  return (await home.must(["exec", "--user", "root", machine, "--", "sh", "-c", script])).stdout.trim()
}
