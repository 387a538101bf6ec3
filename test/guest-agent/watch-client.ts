/** Watches the packet filter of the lab's guest and prints what it hears; a line of input asks whether it hears. */

import { createInterface } from "node:readline"
import { reasonOf } from "../../contract/fault.ts"
import { watchRuleset } from "../../guest-agent/agent/watch-ruleset.ts"

const say = (what: string) => process.stdout.write(`${what}\n`)

watchRuleset({ onChange: () => say("change"), onLost: (reason) => say(`lost: ${reason}`) }).then(
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
