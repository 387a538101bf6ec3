/** The commands of `stereo`, in the order in which its help lists them. */

import { Command } from "commander"
import { addAttestCommand } from "./attest-command.ts"
import { addAuditCommand } from "./audit-command.ts"
import { addBuildCommand } from "./build-command.ts"
import { addCompletionCommand } from "./completion-command.ts"
import type { CliContext } from "./context.ts"
import { addCostCommand } from "./cost-command.ts"
import { addDoctorCommand } from "./doctor-command.ts"
import { addDownCommand } from "./down-command.ts"
import { addEgressCommands } from "./egress-command.ts"
import { addExecCommand } from "./exec-command.ts"
import { addHostCommand } from "./host-command.ts"
import { addImagesCommand } from "./images-command.ts"
import { addInitCommand } from "./init-command.ts"
import { addKeysCommand } from "./keys-command.ts"
import { addLockCommand } from "./lock-command.ts"
import { addLogsCommand } from "./logs-command.ts"
import { addLsCommand } from "./ls-command.ts"
import { addPackerCommand } from "./packer-command.ts"
import { addPlanCommand } from "./plan-command.ts"
import { addPublishCommand } from "./publish-command.ts"
import { addPullCommand } from "./pull-command.ts"
import { addPushCommand } from "./push-command.ts"
import { addRmCommand } from "./rm-command.ts"
import { addRunCommand } from "./run-command.ts"
import { addSessionsCommand } from "./sessions-command.ts"
import { addSetupCommand } from "./setup-command.ts"
import { addUpCommand } from "./up-command.ts"

const HELP = `
Exit codes:
  0    done
  1    refused or failed; the first line on standard error is \`stereo: CODE: what was wrong\`
  2    \`egress diff\`: something opens; \`egress verify\`: a packet gets out that was not promised;
       \`egress attack\`: something got through; \`lock --check\`: a lock is missing or differs;
       \`images verify\`: not as it was signed; \`images rebuild\`: a byte differs; \`images diff\`: they differ
  3    \`egress verify\`: not proven
  64   the command line was not understood
  125  \`exec\` and \`run\`: stereo failed; any other code is that of the command in the machine
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

export function makeProgram(context: CliContext): Command {
  const program = new Command("stereo")
    .description(
      "Locked-down Linux VM images for AI agents, and the gateway between each agent and the world",
    )
    .version("0.1.0")
    .configureOutput({ outputError: () => undefined }) // main.ts reports it, with the command's own hint
    .addHelpText("after", HELP)
    .exitOverride()

  addSetupCommand(program, context)
  addInitCommand(program, context)
  addPlanCommand(program, context)
  addLockCommand(program, context)
  addBuildCommand(program, context)
  addImagesCommand(program, context)
  addKeysCommand(program, context)
  addPushCommand(program, context)
  addPublishCommand(program, context)
  addPullCommand(program, context)
  addUpCommand(program, context)
  addAttestCommand(program, context)
  addLsCommand(program, context)
  addExecCommand(program, context)
  addLogsCommand(program, context)
  addDownCommand(program, context)
  addRmCommand(program, context)
  addRunCommand(program, context)
  addDoctorCommand(program, context)
  addPackerCommand(program, context)
  addCompletionCommand(program, context)
  addHostCommand(program, context)
  addSessionsCommand(program, context)
  addCostCommand(program, context)
  addEgressCommands(program, context)
  addAuditCommand(program, context)
  return program
}
