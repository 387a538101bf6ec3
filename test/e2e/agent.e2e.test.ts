import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { z } from "zod"
import { DEMO_SCRIPT } from "../fakes/anthropic-script.ts"
import { type FakeProvider, openFakeProvider } from "../fakes/provider.ts"
import { AGENTS, type Agent, agentScripts } from "./agents.ts"
import { openTestHome, type TestHome } from "./test-home.ts"

const MACHINE = "agent"
/** OpenCode parses for a minute when it is emulated, and for several when other machines run beside it. */
const SLOW_MS = 1_200_000
/** The real credential of all three providers: the fake sees it, the guest never does. */
const KEY = "planted-real-key-of-the-test"
const block = z.looseObject({ kind: z.string(), name: z.string().optional() })
const view = z.looseObject({
  turns: z.int(),
  costUsd: z.string(),
  unpriced: z.int(),
  tokens: z.record(z.string(), z.int()),
  steps: z.array(z.looseObject({ turn: z.looseObject({ blocks: z.array(block) }).nullable() })),
})

let provider: FakeProvider
let home: TestHome

beforeAll(async () => {
  provider = await openFakeProvider({ script: DEMO_SCRIPT, scripts: agentScripts() })
  const names = ["anthropic", "openai", "google"]
  home = openTestHome(
    names.map((name) => `[providers.${name}]\nkey = "${KEY}"\nupstream = "${provider.url}"\n`).join(""),
  )
  await home.must(["up", "--image", "coder", "--name", MACHINE, "--team", "core", "--project", "agents"])
})

afterAll(async () => {
  await home?.[Symbol.asyncDispose]()
  await provider?.[Symbol.asyncDispose]()
})

describe("Claude Code, headless, as the agent user of the coder image", () => {
  it("finishes a conversation with two tool calls, which really ran in the guest", async () => {
    const command = [
      "claude",
      "-p",
      "Greet.",
      "--model",
      "claude-sonnet-4-6",
      "--dangerously-skip-permissions",
    ]
    const ran = await home.must(["exec", MACHINE, "--", ...command])
    expect(ran.stdout.trim()).toBe(DEMO_SCRIPT.at(-1)?.text)
    const written = await home.must(["exec", MACHINE, "--", "cat", "/tmp/hello.txt"])
    expect(written.stdout).toBe("Hello from inside the machine.\n")
    const told = provider.requests.at(-1)?.body.toString() ?? ""
    expect(told).toContain("uid=1000(agent)")
  })

  it("leaves a session with its turns, its tool calls and an exact cost", async () => {
    const listed = z
      .array(z.looseObject({ id: z.string(), turns: z.int() }))
      .parse(await home.json(["sessions", "ls"]))
    const session = view.parse(
      await home.json(["sessions", "show", listed.find((one) => one.turns > 0)?.id ?? ""]),
    )
    const tools = session.steps
      .flatMap((step) => step.turn?.blocks ?? [])
      .filter((one) => one.kind === "tool-call")
    expect(tools.map((tool) => tool.name)).toEqual(["Bash", "Write"])
    expect(session).toMatchObject({ turns: 3, unpriced: 0 })
    const { input = 0, cacheRead = 0, cacheWrite5m = 0, cacheWrite1h = 0, output = 0 } = session.tokens
    const nanoUsd =
      input * 3000 + cacheRead * 300 + cacheWrite5m * 3750 + cacheWrite1h * 6000 + output * 15_000
    expect(Math.round(Number(session.costUsd) * 1e9)).toBe(nanoUsd)
  })

  it("is paid for by the card's team and project", async () => {
    const byTeam = z
      .looseObject({ groups: z.array(z.looseObject({})) })
      .parse(await home.json(["cost", "--by", "team,project"]))
    expect(byTeam.groups).toEqual([expect.objectContaining({ team: "core", project: "agents", calls: 3 })])
  })
})

const costs = z.looseObject({
  groups: z.array(
    z.looseObject({ model: z.string(), costUsd: z.string(), calls: z.int(), unpriced: z.int() }),
  ),
})

const denials = z.array(z.looseObject({ host: z.string(), count: z.int() }))

/** How often each host was asked for in vain so far. */
async function readDenials(): Promise<ReadonlyMap<string, number>> {
  const denied = denials.parse(await home.json(["egress", "denied", MACHINE]))
  return new Map(denied.map(({ host, count }) => [host, count]))
}

describe.each(AGENTS.map((agent): [string, Agent] => [agent.name, agent]))(
  "%s, in the same machine",
  (_name, agent) => {
    it(
      "does its task with a tool that really ran in the guest, and asks for no host but its model's",
      async () => {
        const before = provider.requests.length
        const deniedBefore = await readDenials()
        const ran = await home.must(["exec", MACHINE, "--", ...agent.command], { timeoutMs: SLOW_MS })
        expect(ran.stdout + ran.stderr).toContain(agent.lastWord)
        const written = await home.must(["exec", MACHINE, "--", "cat", agent.file])
        expect(written.stdout).toContain("uid=1000(agent)")
        const asked = provider.requests.slice(before)
        const sent = agent.credential === "authorization" ? `Bearer ${KEY}` : KEY
        expect(new Set(asked.map(({ headers }) => headers[agent.credential]))).toEqual(new Set([sent]))
        const own = asked.filter(({ path, body }) => `${path}${body}`.includes(agent.model))
        expect(own.map(({ path }) => path.split("?")[0])).toEqual(Array(agent.calls).fill(agent.path))
        const denied = [...(await readDenials())].filter(([host, count]) => deniedBefore.get(host) !== count)
        expect(denied.map(([host]) => host)).toEqual(agent.refused)
      },
      SLOW_MS + 60_000,
    )

    it("leaves its exchanges in the archive, at their exact price", async () => {
      const { groups } = costs.parse(await home.json(["cost", "--by", "model"]))
      const group = groups.find((one) => one.model === agent.model)
      expect(group).toMatchObject({ calls: agent.calls, costUsd: agent.costUsd, unpriced: 0 })
    })
  },
)
