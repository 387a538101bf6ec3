/** `stereo setup`: the tools tree, and what the host lacks for it. */

import { access, constants } from "node:fs/promises"
import { delimiter, join } from "node:path"
import type { Command } from "commander"
import { Fault } from "../contract/fault.ts"
import { jsonText } from "../contract/json-text.ts"
import { builderContext, type StoreOptions } from "./builder-context.ts"
import type { CliContext } from "./context.ts"
import { renderLocks } from "./render-moves.ts"

/** Programs that the builder and the launcher start on the host, by the Debian package that has them. */
const HOST_PROGRAMS: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  "dpkg-deb": "dpkg",
  bwrap: "bubblewrap",
  tar: "tar",
  npm: "npm",
}

export function addSetupCommand(program: Command, context: CliContext): void {
  program
    .command("setup")
    .description("build the tools tree: QEMU and the programs that make images, apart from the host's own")
    .option("--offline", "take packages from the store alone: nothing is fetched")
    .option(
      "--relock",
      "where Debian no longer has what the lock names, go on with what it has now, for this home",
    )
    .option("--json", "print where it is as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo setup")
    .action(async (options: StoreOptions & { json?: boolean }) => {
      await refuseMissingPrograms(context)
      const { setup } = await import("../builder/setup.ts")
      const { toolsDir, lock, stages } = await setup(context.projectDir, builderContext(context, options))
      const { file, made, moves } = lock
      const document = { dir: toolsDir, stages, lock: { file, made, moves } }
      context.print(options.json ? jsonText(document) : `${renderLocks([lock])}${toolsDir}\n`)
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
