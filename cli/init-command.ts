/** `stereo init image NAME`: the commented starting point of an image of one's own. */

import type { Command } from "commander"
import { jsonText } from "../contract/json-text.ts"
import type { CliContext } from "./context.ts"

export function addInitCommand(program: Command, context: CliContext): void {
  const init = program
    .command("init")
    .description("write the starting point of something of your own")
    .addHelpText("after", "\nExample:\n  $ stereo init image mine")
  init
    .command("image")
    .description("write images/NAME/image.toml, which builds as it is and says what can be changed")
    .argument("<name>", "lower-case letters, digits and dashes")
    .option("--extends <image>", "what it begins with: a folder of images/", "base")
    .option("--json", "print as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo init image mine --extends python")
    .action(async (name: string, options: { extends: string; json?: boolean }) => {
      const { initImage } = await import("../builder/init-image.ts")
      const file = await initImage(context.projectDir, { name, base: options.extends })
      context.print(options.json ? jsonText({ name, extends: options.extends, file }) : describe(name, file))
    })
}

function describe(name: string, file: string): string {
  return [
    `${file} is written; next:`,
    `  edit ${file}`,
    `  stereo plan ${name}     what it means, without fetching anything`,
    `  stereo build ${name}`,
    `  stereo run --image ${name} -- sh`,
    "",
  ].join("\n")
}
