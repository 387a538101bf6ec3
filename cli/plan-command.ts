/** `stereo plan IMAGE`: what an image's definition means, with all that it inherits and every reason. */

import type { Command } from "commander"
import type { Plan, PlannedEntry } from "../builder/plan.ts"
import type { ResolvedPlan } from "../builder/resolve-plan.ts"
import { STRICT_PROFILE } from "../contract/image-name.ts"
import { jsonText } from "../contract/json-text.ts"
import type { CliContext } from "./context.ts"

export function addPlanCommand(program: Command, context: CliContext): void {
  program
    .command("plan")
    .description("print an image's resolved plan: nothing is fetched or built")
    .argument("<image>", "a folder of images/ with an image.toml")
    .option("--profile <profile>", "a folder of images/profiles", STRICT_PROFILE)
    .option("--site <file>", "a site.toml, for a profile that runs elsewhere")
    .option("--json", "print the whole plan as JSON")
    .addHelpText("after", "\nExample:\n  $ stereo plan coder --profile debug --json | jq .sysctls")
    .action(async (image: string, options: { profile: string; site?: string; json?: boolean }) => {
      const { readSite } = await import("../builder/definition/read-site.ts")
      const site = options.site === undefined ? null : await readSite(options.site)
      const { resolvePlan } = await import("../builder/resolve-plan.ts")
      const resolved = await resolvePlan(context.projectDir, image, options.profile, site)
      const document = { sha256: resolved.sha256, ...resolved.plan }
      context.print(options.json ? jsonText(document) : describe(resolved))
    })
}

function describe({ plan, sha256 }: ResolvedPlan): string {
  const { resources } = plan
  const sections: readonly [title: string, lines: readonly string[]][] = [
    [
      `${plan.name}: ${plan.description}`,
      [`plan ${sha256}`, `profile ${plan.profile}`, `made of ${plan.lineage.join(" → ")}`],
    ],
    [
      "by default",
      [
        `${resources.cpus} CPUs, ${resources.memoryMib} MiB memory, ${resources.diskMib} MiB disk`,
        `may reach: ${plan.egressSets.join(", ") || "nothing"}`,
        ...Object.entries(plan.env).map(([name, value]) => `${name}=${value}`),
      ],
    ],
    [`Debian ${plan.debian.suite}, with what these depend on`, [plan.debian.packages.join(" ")]],
    ["npm, by integrity", plan.npm.map(({ name, version, integrity }) => `${name} ${version} ${integrity}`)],
    ["put into the root", plan.entries.map(describeEntry)],
    ["taken out of the root", plan.prune.map(({ items, why }) => `${items.length} patterns: ${why}`)],
    ["never taken out", plan.keep.map(reasoned)],
    ["libraries kept although nothing links them", plan.libraries.map(reasoned)],
    ["root", [`erofs, ${plan.root.compression.method}: ${plan.root.compression.why}`]],
    ["kernel modules, before loading is forbidden", plan.kernel.modules.map(reasoned)],
    [
      "kernel command line",
      plan.kernel.options.map(({ text, why, source }) => `${text}: ${why} (${source})`),
    ],
    ["sessions of the agent", describeSession(plan.session)],
    [
      "kernel settings",
      plan.sysctls.map(({ key, value, why, source }) => `${key} = ${value}: ${why} (${source})`),
    ],
    ["let through by the gates", describeExceptions(plan.gates)],
  ]
  return sections
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => `${title}\n${lines.map((line) => `  ${line}\n`).join("")}`)
    .join("\n")
}

function describeSession({ memory, tasks, cpu, io, userNamespaces }: Plan["session"]): string[] {
  return [
    `memory: at most ${memory.percent} %: ${memory.why}`,
    `processes and threads: at most ${tasks.max}: ${tasks.why}`,
    `processor: weight ${cpu.weight}: ${cpu.why}`,
    `disk: weight ${io.weight}: ${io.why}`,
    userNamespaces === null
      ? "user namespaces: none"
      : `user namespaces: at most ${userNamespaces.max}: ${userNamespaces.why}`,
  ]
}

function describeExceptions({ exposures, exceptions }: Plan["gates"]): string[] {
  return [
    ...exceptions.map(({ gate, paths, why }) => `${gate}: ${paths.join(" ")}: ${why}`),
    ...exposures.map(({ units, atMost, why }) => {
      return `exposure to ${(atMost / 10).toFixed(1)}: ${units.join(" ")}: ${why}`
    }),
  ]
}

function reasoned({ items, why }: Plan["libraries"][number]): string {
  return `${items.join(" ")}: ${why}`
}

function describeEntry(entry: PlannedEntry): string {
  if (entry.kind === "link") return `${entry.path} → ${entry.target}`
  const owner = `${entry.mode.toString(8).padStart(4, "0")} ${entry.uid}:${entry.gid}`
  return entry.kind === "directory" ? `${entry.path}/ ${owner}` : `${entry.path} ${owner} from ${entry.from}`
}
