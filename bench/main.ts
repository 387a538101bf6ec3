/** `make bench`: what stereo costs on this machine. Prints its facts, then a table; `--json` prints the same as data; names of parts run only those. */

import { terminalProgress } from "../cli/progress.ts"
import { openTestHome, sharedHome } from "../test/e2e/test-home.ts"
import { openFakeProvider } from "../test/fakes/provider.ts"
import { benchBoot } from "./boot.ts"
import { benchBuild } from "./build.ts"
import { benchDecision } from "./decision.ts"
import { benchFormats } from "./formats.ts"
import { benchHostPath } from "./host-path.ts"
import { benchImages } from "./images.ts"
import { benchOverhead } from "./overhead.ts"
import { benchRegistry } from "./registry.ts"
import { type Figure, readMachineFacts, renderFigures } from "./report.ts"

const progress = terminalProgress(process.stderr, process.env, Date.now)
await using provider = await openFakeProvider()
await using home = openTestHome(
  `[providers.anthropic]\nkey = "sk-ant-bench-0123456789"\nupstream = "${provider.url}"\n`,
)
type Part = readonly [title: string, run: (note: (text: string) => void) => Promise<readonly Figure[]>]
const parts: Readonly<Record<string, Part>> = {
  build: ["Build, cold and cached", () => benchBuild(sharedHome)],
  boot: ["Boot to ready, ten times", (note) => benchBoot(home, 10, note)],
  registry: ["Push and pull, beside skopeo", () => benchRegistry(home)],
  formats: ["Export in each format", (note) => benchFormats(home, note)],
  images: ["Beside an image of Debian's mkosi", benchImages],
  decision: ["The decision alone", async () => benchDecision()],
  host: ["The host's half of the path", benchHostPath],
  hops: ["The whole path from a guest", () => benchOverhead(home)],
}

const named = process.argv.slice(2).filter((word) => word !== "--json")
const unknown = named.filter((name) => !(name in parts))
if (unknown.length > 0) {
  throw new Error(`no part is called ${unknown.join(", ")}; there are ${Object.keys(parts).join(", ")}`)
}
const figures: Figure[] = []
for (const [name, [title, run]] of Object.entries(parts)) {
  if (named.length === 0 || named.includes(name)) figures.push(...(await progress.step(title, run)))
}
const facts = readMachineFacts()
process.stdout.write(
  process.argv.includes("--json")
    ? `${JSON.stringify({ facts, figures }, null, 2)}\n`
    : renderFigures(facts, figures),
)
