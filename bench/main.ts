/** `make bench`: what stereo costs on this machine. Prints its facts, then a table; `--json` prints the same as data. */

import { terminalProgress } from "../cli/progress.ts"
import { openTestHome, sharedHome } from "../test/e2e/test-home.ts"
import { openFakeProvider } from "../test/fakes/provider.ts"
import { benchBoot } from "./boot.ts"
import { benchBuild } from "./build.ts"
import { benchDecision } from "./decision.ts"
import { benchHostPath } from "./host-path.ts"
import { benchOverhead } from "./overhead.ts"
import { benchRegistry } from "./registry.ts"
import { type Figure, readMachineFacts, renderFigures } from "./report.ts"

const progress = terminalProgress(process.stderr, Date.now)
const figures: Figure[] = []
await using provider = await openFakeProvider()
await using home = openTestHome(
  `[providers.anthropic]\nkey = "sk-ant-bench-0123456789"\nupstream = "${provider.url}"\n`,
)
figures.push(...(await progress.step("Build, cold and cached", () => benchBuild(sharedHome))))
figures.push(...(await progress.step("Push and pull", () => benchRegistry(sharedHome))))
figures.push(...(await progress.step("Boot to ready, ten times", (note) => benchBoot(home, 10, note))))
figures.push(...(await progress.step("The decision alone", async () => benchDecision())))
figures.push(...(await progress.step("The host's half of the path", (note) => benchHostPath(note))))
figures.push(...(await progress.step("The whole path from a guest", () => benchOverhead(home))))
const facts = readMachineFacts()
process.stdout.write(
  process.argv.includes("--json")
    ? `${JSON.stringify({ facts, figures }, null, 2)}\n`
    : renderFigures(facts, figures),
)
