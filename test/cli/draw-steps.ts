/** Draws a few steps as a build does, for a test that gives it a terminal. */

import { setTimeout as sleep } from "node:timers/promises"
import { terminalProgress } from "../../cli/progress.ts"

const progress = terminalProgress(process.stderr, process.env, Date.now)
await progress.step("plan: base", () => sleep(1))
await progress.step("rootfs: the root's Debian packages", async (note) => note("cached"))
await progress.step("build lock", async (note) => {
  note("waiting for the build of process 7")
  await sleep(1300)
})
await Promise.all([
  progress.step("gates: rights", () => sleep(900)),
  progress.step("artifact: root", () => sleep(1300)),
  progress.step("describe: bills", () => sleep(400)),
])
await progress
  .step("seal: pruned", () => Promise.reject(new Error("no")))
  .catch((thrown: Error) => process.stderr.write(`${thrown.message}\n`))
