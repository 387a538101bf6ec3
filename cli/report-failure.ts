/** Turns whatever a command threw into the lines that its user reads and the code that scripts read. */

import { Fault, reasonOf } from "../contract/fault.ts"
import { printable } from "../machine/read-tail-text.ts"
import type { CliContext } from "./context.ts"

/** Prints the failure once, on standard error; the answer is the exit code. */
export function reportFailure(context: CliContext, thrown: unknown): number {
  const fault = thrown instanceof Fault ? thrown : explainSystemError(context, thrown)
  const code = fault?.code ?? "internal/unexpected"
  const lines = [`stereo: ${code}: ${reasonOf(fault ?? thrown)}`]
  const hint = fault ? fault.hint : "a defect of stereo: STEREO_DEBUG=1 shows where it happened"
  if (hint !== undefined) lines.push(`  hint: ${hint}`)
  if (context.environment["STEREO_DEBUG"] && thrown instanceof Error) lines.push(String(thrown.stack))
  // a message may hold words of a guest or a provider
  process.stderr.write(`${printable(lines.join("\n"))}\n`)
  return code === "cli/interrupted" ? 130 : 1
}

/** What the operating system refused, in words; null for anything else. */
function explainSystemError(context: CliContext, thrown: unknown): Fault | null {
  const error = thrown instanceof Error ? (thrown as NodeJS.ErrnoException) : null // only its optional fields are read
  if (error?.code === undefined || error.errno === undefined) return null
  const place = error.path ?? context.home.root
  const explain = (code: string, message: string, hint: string) =>
    new Fault(`cli/${code}`, message, { hint, cause: thrown })
  switch (error.code) {
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return explain(
        "no-permission",
        `${place}: this user may not ${error.syscall ?? "use"} it (${error.code})`,
        `run as the owner of ${context.home.root}, or set STEREO_HOME to a folder of your own`,
      )
    case "ENOSPC":
    case "EDQUOT":
      return explain(
        "disk-full",
        `${place}: the disk is full (${error.code})`,
        `make room on the disk of ${context.home.root} (\`stereo rm\` takes machines and their disks away), or set STEREO_HOME to a folder on a larger one`,
      )
    case "ENOTDIR":
      return explain(
        "not-a-folder",
        `${place}: a part of this path is a file, where a folder was expected`,
        "set STEREO_HOME to a folder; stereo makes it when it is not there",
      )
    default:
      return null
  }
}
