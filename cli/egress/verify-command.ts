/** `stereo egress verify`: proves the packet filter that a kernel has loaded, or shows a packet that gets through. */

import { styleText } from "node:util"
import type { Command } from "commander"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { jsonText } from "../../contract/json-text.ts"
import type { WallProof } from "../../review/verify-wall.ts"
import type { CliContext } from "../context.ts"
import { printableLine } from "../printable-line.ts"

const HELP = `
Every packet there can be is taken through all hooks, chains and rules at once, and what leaves is compared with what
was promised: the capture proxy's TCP to the gateway, and nothing else (of an image for a cloud also what sshd answers
to those who may log in). docs/wall-proof.md says what is assumed.

Exit codes: 0 proven, 2 broken (with a packet that shows it), 3 not proven (something is not understood), 1 failed.

Examples:
  $ stereo egress verify base
  $ stereo egress verify demo --json`
const EXIT_CODES = { proven: 0, broken: 2, "not proven": 3 } as const
const COLOURS = { proven: "green", broken: "red", "not proven": "yellow" } as const
const LONGEST_LINE = 400
const MOST_KINDS = 20

export function addVerifyCommand(egress: Command, context: CliContext): void {
  egress
    .command("verify")
    .description("prove that nothing but the promised leaves by the packet filter that a kernel has loaded")
    .argument("<target>", "a machine (its kernel is asked if it runs) or a built image")
    .option("--json", "print as JSON")
    .addHelpText("after", HELP)
    .action((target: string, options: { json?: boolean }) => verify(context, target, options.json === true))
}

async function verify(context: CliContext, target: string, json: boolean): Promise<void> {
  const { proveWall } = await import("../../review/verify-wall.ts")
  const { resolveTarget } = await import("./resolve-target.ts")
  const { wall } = await resolveTarget(context, target)
  if (wall.kind !== "ruleset" || wall.canonical === null) {
    const why = wall.kind === "ruleset" ? `${wall.from} was loaded by no kernel yet` : wall.why
    throw new Fault("review/no-ruleset", `the packet filter of ${target} cannot be proven: ${why}`, {
      hint: "build the image (`stereo build NAME`) or start the machine, then verify that",
    })
  }
  const listing = parseJson(wall.canonical)
  const proof = await context.progress.step("Proof of the packet filter", async () =>
    proveWall(listing, wall.site ?? null),
  )
  context.print(json ? jsonText({ target, from: wall.from, ...proof }) : render(target, wall.from, proof))
  context.exitWith(EXIT_CODES[proof.verdict])
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new Fault("review/bad-ruleset", `the listing is not JSON: ${reasonOf(cause)}`, { cause })
  }
}

/** A guest may have written any of it. */
function render(target: string, from: string, proof: WallProof): string {
  const line = (text: string) => printableLine(text, LONGEST_LINE)
  const lines = [
    `${line(target)}: ${styleText(COLOURS[proof.verdict], proof.verdict, { stream: process.stdout })}`,
    `  ${line(from)}`,
    "",
    ...proof.hooks.flatMap(({ hook, chains }) => {
      const [first = "no chain", ...more] = chains
      return [
        `${hook.padEnd(11)}  ${line(first)}`,
        ...more.map((chain) => `${"".padEnd(11)}  ${line(chain)}`),
      ]
    }),
    "",
    `what leaves by an interface other than lo, of all packets (${proof.regions} regions at the last hooks):`,
    ...(proof.leaves.length === 0
      ? ["  nothing"]
      : proof.leaves.slice(0, MOST_KINDS).map((one) => `  ${line(one)}`)),
    ...(proof.leaves.length > MOST_KINDS ? [`  and ${proof.leaves.length - MOST_KINDS} kinds more`] : []),
    ...proof.breaches.flatMap(({ claim, packet, path }) => [
      ...["", `BROKEN: ${claim}`, `  ${line(packet)}`],
      ...path.map((rule) => `    by ${line(rule)}`),
    ]),
    ...(proof.notProven.length > 0 ? ["", "not understood, and so not proven:"] : []),
    ...proof.notProven.map(({ where, what }) => `  ${line(`${where}: ${what}`)}`),
  ]
  return `${lines.join("\n")}\n`
}
