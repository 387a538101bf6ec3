/** `stereo setup`: the tools tree, and what the host lacks for it. */

import { access, constants } from "node:fs/promises"
import { delimiter, join } from "node:path"
import type { Command } from "commander"
import { Fault } from "../contract/fault.ts"
import { jsonText } from "../contract/json-text.ts"
import type { CliContext } from "./context.ts"

/** Programs that the builder and the launcher start on the host, by the Debian package that has them. */
const HOST_PROGRAMS: Readonly<Record<string, string>> = {
  mmdebstrap: "mmdebstrap",
  bwrap: "bubblewrap",
  tar: "tar",
  npm: "npm",
}

export function addSetupCommand(program: Command, context: CliContext): void {
  program
    .command("setup")
    .description("build the tools tree: QEMU and the programs that make images, apart from the host's own")
    .option("--json", "print where it is as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo setup")
    .action(async (options: { json?: boolean }) => {
      await refuseMissingPrograms(context)
      const { home, progress, signal, now, projectDir } = context
      const { setup } = await import("../builder/setup.ts")
      const { toolsDir, stages } = await setup(projectDir, { home, progress, signal, now })
      context.print(options.json ? jsonText({ dir: toolsDir, stages }) : `${toolsDir}\n`)
    })
}

async function refuseMissingPrograms(context: CliContext): Promise<void> {
  const missing: string[] = []
  for (const program of Object.keys(HOST_PROGRAMS)) {
    if (!(await isOnPath(context, program))) missing.push(program)
  }
  if (missing.length === 0) return
  const packages = missing.map((program) => HOST_PROGRAMS[program]).join(" ")
  throw new Fault("setup/missing-programs", `this host lacks ${missing.join(", ")}`, {
    hint: `apt-get install --no-install-recommends ${packages}`,
  })
}

async function isOnPath(context: CliContext, program: string): Promise<boolean> {
  for (const dir of (context.environment["PATH"] ?? "").split(delimiter)) {
    try {
      await access(join(dir, program), constants.X_OK)
      return true
    } catch (thrown) {
      // not in this folder; the next may have it
      if (!(thrown instanceof Error)) throw thrown
    }
  }
  return false
}
