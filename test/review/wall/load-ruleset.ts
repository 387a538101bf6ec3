/** Loads rulesets into a real kernel, in a network namespace of their own, and reads back what it has. */

import { execFileSync } from "node:child_process"
import { labProblem, renderFirewall } from "../../guest-agent/guest-lab.ts"

/** Why no kernel can be asked here; null when one can. */
export const kernelProblem = labProblem()

/** What `nft -j list ruleset` says after loading. */
export function loadRuleset(text: string): { nftables: Record<string, unknown>[] } {
  const script = "ip link set lo up; ip link add eth0 type veth peer name far0; nft -f -; nft -j list ruleset"
  const printed = execFileSync("unshare", ["-n", "sh", "-ec", script], {
    input: text,
    encoding: "utf8",
    stdio: "pipe",
  })
  return JSON.parse(printed)
}

/** The wall as the images have it, with one thing changed: each text must be there once. */
export function wallWith(changes: Readonly<Record<string, string>>, more = ""): string {
  let text = renderFirewall()
  for (const [from, to] of Object.entries(changes)) {
    if (text.split(from).length !== 2) throw new Error(`not there exactly once: ${from}`)
    text = text.replace(from, () => to)
  }
  return `${text}\n${more}`
}

/** The wall with rules before all others of both chains that a packet passes on its way out. */
export function wallOpenedBy(output: string, wire = output): string {
  return wallWith({ [AT_OUTPUT]: `${AT_OUTPUT}\n${output}`, [AT_WIRE]: `${AT_WIRE}\n${wire}` })
}

/** A table of its own, as a second administrator would add one. */
export function secondTable(family: string, chain: string): string {
  return `table ${family} second {\n chain c {\n ${chain}\n }\n}\n`
}

const AT_OUTPUT = "type filter hook output priority filter; policy drop;"
const AT_WIRE = "type filter hook postrouting priority filter; policy drop;"

/** The same for a ruleset made at random: lines that nft finds contradictory are left out; also what was loaded. */
export function loadSound(text: string): { readonly text: string; readonly listing: unknown } {
  try {
    return { text, listing: loadRuleset(text) }
  } catch (thrown) {
    const { stderr } = Object(thrown) as { readonly stderr?: string }
    const wrong = new Set(
      [...(stderr ?? "").matchAll(/^\/dev\/stdin:(\d+):/gm)].map((found) => Number(found[1])),
    )
    if (wrong.size === 0) throw thrown
    const lines = text.split("\n").map((line, index) => (wrong.has(index + 1) ? "" : line))
    return loadSound(lines.join("\n"))
  }
}
