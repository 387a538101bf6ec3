// Processes that stay until the host's inspector has looked at them: what they hold is what was won.

import { spawn } from "node:child_process"

const held = new Set()

/** Starts a program whose environment names the case, so that the inspector finds it and all that it becomes. */
export function hold(file, args, marker, context, stdio) {
  const child = spawn(file, args, {
    stdio,
    detached: true,
    env: { ...process.env, STEREO_ATTACK: context.nonce, STEREO_ATTACK_CASE: marker },
  })
  held.add(child)
  child.once("close", () => held.delete(child))
  return child
}

/** Settles when the script has ended; one that goes on is left to be looked at. */
export function holdShell(script, marker, context) {
  const child = hold("bash", ["-c", script], marker, context, ["ignore", "pipe", "pipe"])
  let said = ""
  const listen = (chunk) => {
    if (said.length < 4096) said += chunk
  }
  child.stdout.on("data", listen)
  child.stderr.on("data", listen)
  return new Promise((settle) => {
    child.once("error", (error) => settle(error.code))
    child.once("exit", (code) => settle(`exit ${code}: ${said.trim().split("\n").at(-1) ?? ""}`))
  })
}

export function releaseHeld() {
  for (const child of held) {
    try {
      process.kill(-child.pid, "SIGKILL")
    } catch (thrown) {
      process.stderr.write(`a held process: ${thrown.message}\n`)
    }
  }
}
