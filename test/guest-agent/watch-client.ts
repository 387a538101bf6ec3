/** Watches the packet filter of the lab's guest and prints what it hears; a line of input asks whether it hears. */

import { spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { PassThrough } from "node:stream"
import { reasonOf } from "../../contract/fault.ts"
import { watchRuleset } from "../../guest-agent/agent/watch-ruleset.ts"

const say = (what: string) => process.stdout.write(`${what}\n`)

// the lab has no systemd that would start the unit: the same program, its end the stream's end
const nft = spawn("nft", ["-j", "monitor"], { stdio: ["ignore", "pipe", "pipe"] })
const output = new PassThrough()
nft.stdout.pipe(output, { end: false })
nft.stderr.pipe(output, { end: false })
nft.once("close", () => output.destroy())
output.once("close", () => nft.kill("SIGKILL"))
const monitor = { output, pids: async () => (nft.pid === undefined ? [] : [nft.pid]) }

watchRuleset({ onChange: () => say("change"), onLost: (reason) => say(`lost: ${reason}`) }, monitor).then(
  (watch) => {
    say("watching")
    createInterface({ input: process.stdin }).on("line", () => {
      watch.isHearing().then(
        (hears) => say(hears ? "hears" : "missed"),
        (thrown) => say(reasonOf(thrown)),
      )
    })
  },
  (thrown) => say(`failed: ${reasonOf(thrown)}`),
)
