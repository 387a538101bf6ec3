import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { z } from "zod"
import { DEMO_SCRIPT } from "../fakes/anthropic-script.ts"
import { type FakeProvider, openFakeProvider } from "../fakes/provider.ts"
import { openTestHome, type TestHome } from "./test-home.ts"

const MACHINE = "agent"
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
  provider = await openFakeProvider({ script: DEMO_SCRIPT })
  home = openTestHome(`[providers.anthropic]\nkey = "sk-ant-agent-test"\nupstream = "${provider.url}"\n`)
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
