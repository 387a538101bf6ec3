/** `stereo egress`: what may leave, why, and the proof that nothing else can; a file of cli/egress each. */

import type { Command } from "commander"
import type { CliContext } from "./context.ts"
import { addAskCommand } from "./egress/ask-command.ts"
import { addAttackCommand } from "./egress/attack-command.ts"
import { addDeniedCommand } from "./egress/denied-command.ts"
import { addDiffCommand } from "./egress/diff-command.ts"
import { addDraftCommand } from "./egress/draft-command.ts"
import { addLiveCommands } from "./egress/live-commands.ts"
import { addReloadCommand } from "./egress/reload-command.ts"
import { addShowCommand } from "./egress/show-command.ts"
import { addVerifyCommand } from "./egress/verify-command.ts"

const HELP = `
Examples:
  $ stereo egress show coder
  $ stereo egress diff main:coder coder || echo 'something opens'
  $ stereo egress verify demo
  $ stereo egress attack demo
  $ stereo egress allow demo files.example.com --why 'the agent reads the fixtures' --for 1h
  $ stereo egress ask demo`

export function addEgressCommands(program: Command, context: CliContext): void {
  const egress = program
    .command("egress")
    .description("what may leave a machine, why, and how one knows that nothing else can")
    .addHelpText("after", HELP)
  addShowCommand(egress, context)
  addDiffCommand(egress, context)
  addVerifyCommand(egress, context)
  addReloadCommand(egress, context)
  addAttackCommand(egress, context)
  addLiveCommands(egress, context)
  addDeniedCommand(egress, context)
  addDraftCommand(egress, context)
  addAskCommand(egress, context)
}
