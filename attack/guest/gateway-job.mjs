// Hands the probes that go straight to the gateway to one process with the capture proxy's user.

import { spawn } from "node:child_process"
import { createInterface } from "node:readline"

const CAPTURE_UID = 990
const DEADLINE_MS = 60_000

export async function runThroughGateway(tasks, context, print) {
  const wanted = tasks.filter((task) => task.how.kind.startsWith("gateway"))
  if (wanted.length === 0) return
  const child = spawn(process.execPath, [`${context.dir}/gateway.mjs`], {
    uid: CAPTURE_UID,
    gid: CAPTURE_UID,
    stdio: ["pipe", "pipe", "inherit"],
  })
  const timer = setTimeout(() => child.kill("SIGKILL"), DEADLINE_MS)
  child.stdin.end(JSON.stringify(wanted))
  for await (const line of createInterface({ input: child.stdout })) print(JSON.parse(line))
  clearTimeout(timer)
}
