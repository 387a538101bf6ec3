/** `stereo images …`: the finished images; each subcommand has its own file in images/. */

import type { Command } from "commander"
import type { CliContext } from "./context.ts"
import { addDiffCommand } from "./images/diff-command.ts"
import { addExportCommand } from "./images/export-command.ts"
import { addListCommands } from "./images/list-commands.ts"
import { addRebuildCommand } from "./images/rebuild-command.ts"
import { addRemoveCommand } from "./images/remove-command.ts"
import { addSizeCommand } from "./images/size-command.ts"
import { addVerifyCommand } from "./images/verify-command.ts"

export function addImagesCommand(program: Command, context: CliContext): void {
  const images = program
    .command("images")
    .description("list, show, verify, compare, rebuild, export and remove finished images")
    .addHelpText(
      "after",
      "\nExamples:\n  $ stereo images\n  $ stereo images show base\n  $ stereo images verify base\n  $ stereo images export base --format raw",
    )
  addListCommands(images, context)
  addSizeCommand(images, context)
  addVerifyCommand(images, context)
  addRebuildCommand(images, context)
  addExportCommand(images, context)
  addDiffCommand(images, context)
  addRemoveCommand(images, context)
}
