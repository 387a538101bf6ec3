/** `stereo lock`: which packages an image is made of, to the byte. */

import type { Command } from "commander"
import type { LockReport } from "../builder/lock-images.ts"
import { type ProfiledName, STRICT_PROFILE } from "../contract/image-name.ts"
import { jsonText } from "../contract/json-text.ts"
import { builderContext } from "./builder-context.ts"
import type { CliContext } from "./context.ts"
import { renderMoves } from "./render-moves.ts"

interface LockOptions {
  readonly profile?: string
  readonly update?: boolean
  readonly check?: boolean
  readonly json?: boolean
}

/** With --check: something would be written. */
const DIFFERS = 2

export function addLockCommand(program: Command, context: CliContext): void {
  program
    .command("lock")
    .description("write down which packages an image is made of, by name, version and hash")
    .argument("[images...]", "folders of images/, or tools for the tools tree; none: every lock there is")
    .option(
      "--profile <profile>",
      "a folder of images/profiles (default: strict, and without images also each that has a lock)",
    )
    .option("--update", "take the newest packages although the lock fits its definition")
    .option(
      "--check",
      "write nothing; exit code 2 if a lock is missing, does not fit, or (with --update) is not the newest",
    )
    .option("--json", "print the report as JSON")
    .addHelpText(
      "after",
      [
        "\nA lock lies beside its image.toml, as lock.toml or lock-PROFILE.toml: commit it. Where it does not fit its",
        "definition any more, packages that stay keep their version unless --update is given. `security` marks what",
        "comes from Debian's security suite; CVE numbers are those that the changelog in the new package names.",
        "\nExamples:",
        "  $ stereo lock base",
        "  $ stereo lock --update coder",
        "  $ stereo lock --check",
      ].join("\n"),
    )
    .action(async (images: string[], options: LockOptions) => {
      const { lockImage } = await import("../builder/lock-images.ts")
      const request = { update: options.update === true, check: options.check === true }
      const reports: LockReport[] = []
      for (const target of await chooseTargets(context.projectDir, images, options.profile)) {
        reports.push(await lockImage(context.projectDir, target, request, builderContext(context)))
      }
      context.print(
        options.json ? jsonText(reports) : reports.map((each) => describe(each, request)).join(""),
      )
      if (request.check && reports.some(differs)) context.exitWith(DIFFERS)
    })
}

async function chooseTargets(
  projectDir: string,
  images: readonly string[],
  profile: string | undefined,
): Promise<ProfiledName[]> {
  if (images.length > 0) return images.map((name) => ({ name, profile: profile ?? STRICT_PROFILE }))
  const { listLocks } = await import("../builder/list-locks.ts")
  return listLocks(projectDir, profile)
}

function differs({ misfits, moves }: LockReport): boolean {
  return misfits === null || misfits.length > 0 || moves.length > 0
}

function describe(report: LockReport, { check }: { check: boolean }): string {
  const { file, misfits, moves, packages, written } = report
  if (misfits === null && !written) return `${file} is not there\n`
  const why = (misfits ?? []).map((misfit) => `  ${misfit}\n`).join("")
  if (!written && moves.length === 0) {
    return why === "" ? `${file} is as it should be: ${packages} packages\n` : `${file} does not fit\n${why}`
  }
  const security = moves.filter((move) => move.security).length
  const count = `${moves.length} of ${packages} packages ${check ? "would move" : "moved"}`
  const head =
    misfits === null
      ? `made ${file}: ${packages} packages`
      : `${file}: ${count}, ${security} of them to the security suite's`
  if (misfits === null) return `${head}\n`
  const cves = new Map(moves.map(({ name, cves: found }) => [name, found ?? []]))
  const told = [...cves.values()].some((found) => found.length > 0)
  const source = told ? "vulnerabilities are those that the changelogs in the new packages name\n" : ""
  return `${head}\n${why}${renderMoves(moves, ({ name }) => cves.get(name)?.join(" ") || null)}${source}`
}
