/** `stereo egress`: what may leave, why, and the proof that nothing else can; a file of cli/egress each. */

import type { Command } from "commander"
import type { CliContext } from "./context.ts"
import { addAttackCommand } from "./egress/attack-command.ts"
import { addReloadCommand } from "./egress/reload-command.ts"

const HELP = `
Examples:
  $ stereo egress show coder
  $ stereo egress diff main:coder coder || echo 'something opens'
  $ stereo egress verify demo
  $ stereo egress attack demo`

export function addEgressCommands(program: Command, context: CliContext): void {
  const egress = program
    .command("egress")
    .description("what may leave a machine, why, and how one knows that nothing else can")
    .addHelpText("after", HELP)
  addReloadCommand(egress, context)
  addAttackCommand(egress, context)
}
