/** The commands of `stereo`, in the order in which its help lists them. */

import { Command } from "commander"
import type { CliContext } from "./context.ts"

type AddCommand = (program: Command, context: CliContext) => void

/** By the first word of a command line; each is loaded when it is needed, which is most of a short command's time. */
const COMMANDS: Readonly<Record<string, () => Promise<AddCommand>>> = {
  setup: async () => (await import("./setup-command.ts")).addSetupCommand,
  init: async () => (await import("./init-command.ts")).addInitCommand,
  plan: async () => (await import("./plan-command.ts")).addPlanCommand,
  lock: async () => (await import("./lock-command.ts")).addLockCommand,
  build: async () => (await import("./build-command.ts")).addBuildCommand,
  images: async () => (await import("./images-command.ts")).addImagesCommand,
  keys: async () => (await import("./keys-command.ts")).addKeysCommand,
  push: async () => (await import("./push-command.ts")).addPushCommand,
  publish: async () => (await import("./publish-command.ts")).addPublishCommand,
  pull: async () => (await import("./pull-command.ts")).addPullCommand,
  up: async () => (await import("./up-command.ts")).addUpCommand,
  attest: async () => (await import("./attest-command.ts")).addAttestCommand,
  ls: async () => (await import("./ls-command.ts")).addLsCommand,
  exec: async () => (await import("./exec-command.ts")).addExecCommand,
  logs: async () => (await import("./logs-command.ts")).addLogsCommand,
  down: async () => (await import("./down-command.ts")).addDownCommand,
  rm: async () => (await import("./rm-command.ts")).addRmCommand,
  run: async () => (await import("./run-command.ts")).addRunCommand,
  doctor: async () => (await import("./doctor-command.ts")).addDoctorCommand,
  packer: async () => (await import("./packer-command.ts")).addPackerCommand,
  completion: async () => (await import("./completion-command.ts")).addCompletionCommand,
  host: async () => (await import("./host-command.ts")).addHostCommand,
  sessions: async () => (await import("./sessions-command.ts")).addSessionsCommand,
  cost: async () => (await import("./cost-command.ts")).addCostCommand,
  egress: async () => (await import("./egress-command.ts")).addEgressCommands,
  audit: async () => (await import("./audit-command.ts")).addAuditCommand,
}
/** They speak of all commands. */
const NEEDS_ALL = ["completion"]

const HELP = `
Exit codes:
  0    done
  1    refused or failed; the first line on standard error is \`stereo: CODE: what was wrong\`
  2    \`egress diff\`: something opens; \`egress verify\`: a packet gets out that was not promised;
       \`egress attack\`: something got through; \`lock --check\`: a lock is missing or differs;
       \`images verify\`: not as it was signed; \`images rebuild\`: a byte differs; \`images diff\`: they differ
  3    \`egress verify\`: not proven
  64   the command line was not understood
  125  \`exec\`, \`run\` and \`up --on ec2\`: stereo failed; any other code is that of the command in the machine
  130  stopped by Ctrl-C, SIGTERM or SIGHUP

Environment:
  STEREO_HOME   where everything is kept (default: ~/.local/share/stereo)
  STEREO_DEBUG  any value: errors with their stack
  STEREO_DEBIAN_MIRROR, STEREO_DEBIAN_SECURITY_MIRROR, STEREO_DEBIAN_SNAPSHOT, STEREO_DEBIAN_KEYRING
                where Debian's packages come from, if not as for the host's apt (docs/reproducible-builds.md)
  NO_COLOR      any value: no colours

Example:
  $ stereo doctor
  $ stereo build coder
  $ stereo run --image coder -- claude -p 'what is in this folder?'`

/** Has the one command that `words` begin with; all of them where they begin with none, as for help. */
export async function makeProgram(context: CliContext, words: readonly string[]): Promise<Command> {
  const program = new Command("stereo")
    .description(
      "Locked-down Linux VM images for AI agents, and the gateway between each agent and the world",
    )
    .version("0.1.0")
    .configureOutput({ outputError: () => undefined }) // main.ts reports it, with the command's own hint
    .addHelpText("after", HELP)
    .exitOverride()
  for (const add of await Promise.all(neededBy(words[0]).map((load) => load()))) add(program, context)
  return program
}

function neededBy(word = ""): readonly (() => Promise<AddCommand>)[] {
  const one = Object.hasOwn(COMMANDS, word) && !NEEDS_ALL.includes(word) ? COMMANDS[word] : undefined
  return one ? [one] : Object.values(COMMANDS)
}
