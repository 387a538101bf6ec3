/** `stereo completion SHELL`: prints what makes a shell complete commands, options and names. */

import { Argument, type Command } from "commander"
import { type CompletionNode, describeCommands } from "./completion-tree.ts"
import type { CliContext } from "./context.ts"
import { renderBash, renderFish, renderZsh } from "./render-completion.ts"

const RENDERERS = { bash: renderBash, zsh: renderZsh, fish: renderFish } as const

const HELP = `
Examples:
  $ source <(stereo completion bash)          # in ~/.bashrc
  $ source <(stereo completion zsh)           # in ~/.zshrc, after compinit
  $ stereo completion fish > ~/.config/fish/completions/stereo.fish`

export function addCompletionCommand(program: Command, context: CliContext): void {
  program
    .command("completion")
    .description("print what makes a shell complete commands, options and names")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(RENDERERS)))
    .addHelpText("after", HELP)
    .action((shell: keyof typeof RENDERERS) => {
      const render: (nodes: readonly CompletionNode[], projectDir: string) => string = RENDERERS[shell]
      context.print(render(describeCommands(program), context.projectDir))
    })
}
