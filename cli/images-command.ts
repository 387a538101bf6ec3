/** `stereo images …`: the finished images; each subcommand has its own file in images/. */

import type { Command } from "commander"
import type { CliContext } from "./context.ts"
import { addExportCommand } from "./images/export-command.ts"
import { addListCommands } from "./images/list-commands.ts"
import { addRebuildCommand } from "./images/rebuild-command.ts"
import { addVerifyCommand } from "./images/verify-command.ts"

export function addImagesCommand(program: Command, context: CliContext): void {
  const images = program
    .command("images")
    .description("list, show, verify, rebuild and export finished images")
    .addHelpText(
      "after",
      "\nExamples:\n  $ stereo images\n  $ stereo images show base\n  $ stereo images verify base",
    )
  addListCommands(images, context)
  addVerifyCommand(images, context)
  addRebuildCommand(images, context)
  addExportCommand(images, context)
}
