/** Loads an image's packet filter into a kernel, in a network of its own, and reads back what became of it. */

import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { canonicalRuleset } from "../../contract/canonical-ruleset.ts"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { runTool } from "../tools-tree.ts"

export interface FirewallSource {
  readonly bytes: Buffer
  /** The file of the project that it was made from, for errors. */
  readonly from: string
}

export interface RulesetRequest {
  readonly firewall: FirewallSource
  readonly toolsDir: string
  readonly dir: string
  readonly logFile: string
  readonly signal: AbortSignal
}

/** What the file is and what the kernel made of it. */
export const RULESET_FILES = { firewall: "firewall.nft", ruleset: "ruleset.json" } as const

/** `nft -c` says where a file is wrong; a host on which nft can do nothing fails in the same way as a wrong file. */
const SCRIPT = `
nft -c -f firewall.nft 2>said.txt || exit 0
nft -f firewall.nft 2>said.txt || exit 0
nft -j list ruleset >listed.json 2>said.txt || exit 0
`

/** Leaves both files in the folder. Faults: `measure/bad-firewall`, `measure/no-nftables`. */
export async function measureRuleset(request: RulesetRequest): Promise<void> {
  const { firewall, dir } = request
  const path = (name: string) => join(dir, name)
  await writeFile(path(RULESET_FILES.firewall), firewall.bytes)
  await runNft(request)
  const listed = await readFile(path("listed.json"), "utf8").catch(() => "")
  if (listed === "") throw explain(firewall, await readFile(path("said.txt"), "utf8"))
  await writeFile(path(RULESET_FILES.ruleset), canonicalRuleset(JSON.parse(listed)))
}

async function runNft({ toolsDir, dir, logFile, signal }: RulesetRequest): Promise<void> {
  try {
    await runTool(toolsDir, {
      ...{ logFile, signal, workDir: dir, ownNetwork: true },
      purpose: "the packet filter's check",
      command: ["sh", "-c", SCRIPT],
    })
  } catch (thrown) {
    if (signal.aborted) throw thrown
    throw noNftables(reasonOf(thrown), thrown)
  }
}

const HOST_FAILURE =
  /Operation not permitted|Permission denied|Protocol not supported|cache initialization failed|not found/

/** nft's own words, with its place turned into the project's file; what it says of the host is another fault. */
function explain(firewall: FirewallSource, said: string): Fault {
  const complaint = /^firewall\.nft:(\d+):[\d-]+: Error: (.*)$/gm
  const places = [...said.matchAll(complaint)].map(([, line, message]) => {
    const source = firewall.bytes.toString("utf8").split("\n")[Number(line) - 1]?.trim() ?? ""
    return `${firewall.from}:${line}: ${message}\n    ${source}`
  })
  if (places.length === 0 || HOST_FAILURE.test(said)) return noNftables(said.trim())
  const message = `the packet filter of this image is not one that nft loads\n${places.join("\n")}`
  return new Fault("measure/bad-firewall", message, {
    hint: "lines are those of the rendered file, which `nft -c -f` checks; an interface other than lo is there only in a machine: use iifname",
  })
}

function noNftables(why: string, cause?: unknown): Fault {
  const message = `the packet filter cannot be checked on this host: ${why || "nft said nothing"}`
  return new Fault("measure/no-nftables", message, {
    hint: "the build needs a kernel with nf_tables and the right to make user and network namespaces: run it as root, or allow unprivileged user namespaces",
    cause,
  })
}
