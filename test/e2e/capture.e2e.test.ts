import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { z } from "zod"
import { machineRecord } from "../../contract/machine-record.ts"
import { type FakeProvider, openFakeProvider } from "../fakes/provider.ts"
import { type Replay, readReplays } from "../fakes/replay.ts"
import { copyPackages } from "./guest-packages.ts"
import { searchMemory } from "./search-memory.ts"
import { openTestHome, projectDir, type TestHome } from "./test-home.ts"

const MACHINE = "capture"
const FIXTURES = resolve(projectDir, "../shared/fixtures/claude-code-session")
/** Planted as real credentials: they may be on the host, never in the guest. */
const KEYS = {
  anthropic: "sk-ant-api03-PLANTED-real-anthropic-key-7f3a",
  openai: "sk-proj-PLANTED-real-openai-key-91bc",
}

const step = z.looseObject({
  outcome: z.string(),
  status: z.int().nullable(),
  request: z.looseObject({ sha256: z.string(), bytes: z.int() }),
  response: z.looseObject({ sha256: z.string(), bytes: z.int() }),
  usageSource: z.string().nullable(),
})
const sessionView = z.looseObject({ id: z.string(), costUsd: z.string().nullable(), steps: z.array(step) })
type SessionView = z.infer<typeof sessionView>

let provider: FakeProvider
let home: TestHome
let replays: readonly Replay[] = []

beforeAll(async () => {
  replays = existsSync(FIXTURES) ? readReplays(FIXTURES) : []
  provider = await openFakeProvider({ replays })
  home = openTestHome(
    [
      `[providers.anthropic]\nkey = "${KEYS.anthropic}"\nupstream = "${provider.url}"`,
      `[providers.openai]\nkey = "${KEYS.openai}"\nupstream = "${provider.url}"`,
    ].join("\n"),
  )
  const card = join(home.root, "jcard.toml")
  writeFileSync(card, 'team = "core"\nproject = "e2e"\n[egress]\nsets = ["anthropic", "openai"]\n')
  await home.must(["up", "--name", MACHINE, card])
  const script = readFileSync(join(projectDir, "test/e2e/guest/sdk.mjs"))
  await home.must(["exec", MACHINE, "--", "sh", "-c", "cat > sdk.mjs"], { input: script })
  await copyPackages(home, MACHINE, ["@anthropic-ai/sdk", "openai"])
})

afterAll(async () => {
  await home?.[Symbol.asyncDispose]()
  await provider?.[Symbol.asyncDispose]()
})

describe("a recorded session, replayed by the provider to a client in the guest", () => {
  it("is archived byte for byte and costs what its tokens say", async (context) => {
    if (replays.length === 0)
      context.skip(`${FIXTURES} is not here: recorded data is not part of the project`)
    const script = readFileSync(join(projectDir, "test/e2e/guest/replay.mjs"))
    await home.must(["exec", MACHINE, "--", "sh", "-c", "cat > replay.mjs"], { input: script })
    const lines = replays.map((turn) =>
      JSON.stringify({ path: "/v1/messages?beta=true", ...toRequest(turn) }),
    )
    const ran = await home.must(["exec", MACHINE, "--", "node", "replay.mjs"], {
      input: `${lines.join("\n")}\n`,
    })
    const answers = ran.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { status: number; sha256: string })
    const expected = replays.map((turn) => [turn.requestSha256, turn.responseSha256])
    expect(answers.map((answer) => answer.sha256)).toEqual(replays.map((turn) => turn.responseSha256))
    expect(provider.requests.map((request) => request.sha256)).toEqual(
      replays.map((turn) => turn.requestSha256),
    )
    const session = await findSession((view) =>
      view.steps.some((one) => one.request.sha256 === expected[0]?.[0]),
    )
    expect(session.steps.map((one) => [one.request.sha256, one.response.sha256])).toEqual(expected)
    expect(session.costUsd).toBe("0.41544255")
  })
})

describe("the official SDKs, unmodified in the guest", () => {
  let seen: readonly Record<string, unknown>[] = []
  // in one process: under TCG most of each one's time is Node's, to load them
  beforeAll(async () => {
    seen = await runSdk("anthropic", "chat", "responses", "cut")
  })

  it.each(["anthropic", "chat", "responses"])("%s streams and finishes", (name) => {
    const one = seen.find((each) => each["name"] === name)
    expect(one).toMatchObject({ name, text: expect.stringMatching(/\w/), usage: expect.anything() })
    expect(["end_turn", "stop", "completed"]).toContain(one?.["end"])
  })

  it("a stream cut by the client is archived with what had come, and marked", async () => {
    expect(seen.at(-1)).toMatchObject({ name: "cut", end: "cut" })
    const cut = await waitFor(async () => (await allSteps()).find((one) => one.outcome === "client-aborted"))
    expect(cut.response.bytes).toBeGreaterThan(0)
    expect(cut.usageSource).toMatch(/partial|estimated/)
  })
})

describe("kill -9 of the host service in the middle of a stream", () => {
  it("loses no acknowledged exchange, leaves the archive readable, and the machine goes on", async () => {
    const before = (await allSteps())
      .filter((one) => one.outcome === "complete")
      .map((one) => one.response.sha256)
    const served = provider.requests.length
    const stream = home.start(["exec", MACHINE, "--", "node", "sdk.mjs", "cut"])
    await waitFor(async () => (provider.requests.length > served ? true : undefined))
    const { pid } = z.looseObject({ pid: z.int() }).parse(await home.json(["host", "status"]))
    process.kill(pid, "SIGKILL")
    stream.kill("SIGKILL")
    const after = (await allSteps())
      .filter((one) => one.outcome === "complete")
      .map((one) => one.response.sha256)
    expect(after).toEqual(before)
    expect(await runSdk("anthropic")).toMatchObject([{ end: "end_turn" }])
    const interrupted = await waitFor(async () =>
      (await allSteps()).find((one) => one.outcome === "interrupted"),
    )
    expect(interrupted.request.bytes).toBeGreaterThan(0)
  })
})

describe("the real credentials", () => {
  it("went to the provider, in place of the placeholders", () => {
    const sent = provider.requests.map(({ headers }) => headers["x-api-key"] ?? headers["authorization"])
    expect(new Set(sent)).toEqual(new Set([KEYS.anthropic, `Bearer ${KEYS.openai}`]))
  })

  it("are nowhere in the guest's memory, though the search finds what is there", async () => {
    const placeholder = await readPlaceholder()
    const { pid } = readRecord().qemu ?? { pid: 0 }
    const found = searchMemory(pid, [placeholder, KEYS.anthropic, KEYS.openai])
    expect(found.get(placeholder)).toBeGreaterThan(0)
    expect([found.get(KEYS.anthropic), found.get(KEYS.openai)]).toEqual([0, 0])
  })

  it("are nowhere in its environments, process list, files or logs, though the search finds what is there", async () => {
    // the words come by standard input, so that no process of the search has them in its arguments
    const script = `cat > /run/words
      cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -a -c -F -f /run/words
      grep -r -l -a -F -f /run/words /run /tmp /home /etc /var 2>/dev/null | grep -v -x /run/words | wc -l
      rm /run/words`
    const search = async (words: readonly string[]) => {
      const input = `${words.join("\n")}\n`
      const ran = await home.must(["exec", MACHINE, "--user", "root", "--", "bash", "-c", script], { input })
      return ran.stdout.trim().split("\n").map(Number)
    }
    const placeholder = await readPlaceholder()
    const [inProcesses, inFiles] = await search([placeholder])
    expect([inProcesses, inFiles]).not.toContain(0)
    expect(await search(Object.values(KEYS))).toEqual([0, 0])
  })

  it("are nowhere in the machine's folder on the host: record, disk, console and QEMU's log", () => {
    const dir = join(home.root, "machines", MACHINE)
    const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
    expect(files.map((one) => one.name)).toEqual(
      expect.arrayContaining(["machine.json", "data.img", "console.log"]),
    )
    expect(files.filter((one) => holdsKey(readFileSync(join(one.parentPath, one.name))))).toEqual([])
  })

  it("are not in the archive", () => {
    const dir = join(home.root, "archive")
    const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((one) => one.isFile())
    expect(files.length).toBeGreaterThan(10)
    expect(files.filter((one) => holdsKey(readFileSync(join(one.parentPath, one.name))))).toEqual([])
  })
})

function holdsKey(bytes: Buffer): boolean {
  return Object.values(KEYS).some((key) => bytes.includes(key))
}

function toRequest(turn: Replay) {
  const added = /^(authorization|content-length|x-paper-auth|x-tapes-.*)$/ // by the recording gateway, or per hop
  const headers = Object.fromEntries(turn.requestHeaders.filter(([name]) => !added.test(name)))
  return { headers, bodyBase64: turn.requestBody.toString("base64") }
}

async function runSdk(...names: readonly string[]): Promise<Record<string, unknown>[]> {
  const ran = await home.must(["exec", MACHINE, "--", "node", "sdk.mjs", ...names])
  const lines = ran.stdout.trim().split("\n")
  return lines.map((line) => z.record(z.string(), z.unknown()).parse(JSON.parse(line)))
}

async function allSessions(): Promise<SessionView[]> {
  const listed = z.array(z.looseObject({ id: z.string() })).parse(await home.json(["sessions", "ls"]))
  const views: SessionView[] = []
  for (const { id } of listed) views.push(sessionView.parse(await home.json(["sessions", "show", id])))
  return views
}

async function allSteps() {
  return (await allSessions()).flatMap((view) => view.steps)
}

async function findSession(wanted: (view: SessionView) => boolean): Promise<SessionView> {
  return waitFor(async () => (await allSessions()).find(wanted))
}

async function waitFor<Value>(read: () => Promise<Value | undefined>): Promise<Value> {
  const deadline = AbortSignal.timeout(240_000)
  while (!deadline.aborted) {
    const value = await read()
    if (value !== undefined) return value
    await sleep(200)
  }
  throw new Error("it did not come within the deadline")
}

function readRecord() {
  const file = join(home.root, "machines", MACHINE, "machine.json")
  return machineRecord.parse(JSON.parse(readFileSync(file, "utf8")))
}

async function readPlaceholder(): Promise<string> {
  return (await home.must(["exec", MACHINE, "--", "printenv", "ANTHROPIC_API_KEY"])).stdout.trim()
}
