/** `make demo`: builds the images, lets a real agent work in a machine, and shows what it did, cost and could not do. */

import { rmSync } from "node:fs"
import { join } from "node:path"
import { terminalProgress } from "../../cli/progress.ts"
import { setup as buildImages } from "../e2e/build-images.ts"
import { ESCAPES, type EscapeId, type EscapeResult, prepareEscapes, tryEscapes } from "../e2e/escapes.ts"
import { openTestHome, sharedHome, type TestHome } from "../e2e/test-home.ts"
import { openFakeProvider } from "../fakes/provider.ts"

const MACHINE = "demo"
const PROMPT = "Look at where you are, then write a greeting to /tmp/hello.txt."
const SHOWN: readonly EscapeId[] = [
  "tcp-public",
  "udp-public",
  "dns-outside",
  "icmp-echo",
  "raw-socket",
  "ipv6",
  "host-not-in-set",
  "ip-literal",
  "connect-refused-host",
  "slirp-host",
]

buildImages()
await using provider = await openFakeProvider()
await using home = openDemoHome(provider.url)
const progress = terminalProgress(process.stderr, process.env, Date.now)
await home.watch(["up", "--image", "coder", "--name", MACHINE, "--team", "demo", "--project", "first-light"])
const said = await progress.step("Claude Code works in the machine", () => runAgent(home))
await progress.step("Tools for the escape attempts", () => prepareEscapes(home, MACHINE))
const refused = await progress.step("Ten attempts to get out", () => tryEscapes(home, MACHINE, SHOWN))
await report(home, said, refused)

/** A home beside the usual one, so that the demo neither reads nor changes the user's machines and credentials. */
function openDemoHome(providerUrl: string): TestHome {
  const root = join(sharedHome, "demo")
  rmSync(join(root, "archive"), { recursive: true, force: true })
  const hostToml = `[providers.anthropic]\nkey = "sk-ant-demo-real-key-of-the-host"\nupstream = "${providerUrl}"\n`
  return openTestHome(hostToml, root)
}

async function runAgent(inHome: TestHome): Promise<string> {
  const command = ["claude", "-p", PROMPT, "--model", "claude-sonnet-4-6", "--dangerously-skip-permissions"]
  return (await inHome.must(["exec", MACHINE, "--", ...command])).stdout.trim()
}

async function report(inHome: TestHome, answer: string, results: readonly EscapeResult[]): Promise<void> {
  const print = (text: string) => process.stdout.write(`${text}\n`)
  print(`\nThe agent's last word\n  ${answer}\n`)
  const sessions = (await inHome.json(["sessions", "ls"])) as { id: string; turns: number }[]
  const session = sessions.find((one) => one.turns > 0)
  print((await inHome.must(["sessions", "show", session?.id ?? ""])).stdout)
  print((await inHome.must(["cost", "--by", "session,model"])).stdout)
  print("Ten attempts to get out, as the agent")
  for (const result of results) {
    const what = ESCAPES[result.id as EscapeId].padEnd(42) // only names of SHOWN were tried
    print(`  ${what} ${result.outcome.padEnd(9)} ${String(result.ms).padStart(5)} ms  ${result.rule}`)
  }
  const through = results.filter((result) => result.outcome !== "refused")
  if (through.length > 0) throw new Error(`not refused: ${through.map((result) => result.id).join(", ")}`)
  print(`\nThe archive stays for you to look at: STEREO_HOME=${inHome.root} ./stereo sessions ls`)
}
