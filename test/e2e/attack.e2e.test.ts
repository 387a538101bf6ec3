import { spawn } from "node:child_process"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { z } from "zod"
import { projectDir, sharedHome } from "./test-home.ts"

const outcome = z.object({
  summary: z.object({
    held: z.int(),
    through: z.int(),
    untried: z.int(),
    skipped: z.int(),
    strays: z.int(),
    slowestRefusalMs: z.number().nullable(),
  }),
  phases: z.array(
    z.object({
      phase: z.string(),
      strays: z.array(z.string()),
      results: z.array(
        z.object({
          name: z.string(),
          vector: z.string(),
          group: z.string(),
          verdict: z.string(),
          seen: z.string(),
        }),
      ),
    }),
  ),
})

describe("the battery of attacks", () => {
  it("finds all that is promised kept, as the agent and as root, at every witness", async () => {
    const { code, result } = await attack(["--json"])
    const [phase] = result.phases
    expect(phase?.results.filter(({ verdict }) => verdict === "through" || verdict === "untried")).toEqual([])
    expect(phase?.strays).toEqual([])
    expect(code).toBe(0)
    const held = new Set(
      phase?.results.filter(({ verdict }) => verdict === "held").map(({ vector }) => vector),
    )
    expect(held.size).toBeGreaterThanOrEqual(85)
    expect([...new Set(phase?.results.map(({ group }) => group))]).toEqual([
      "G1",
      "G2",
      "G3",
      "G4",
      "G5",
      "G6",
    ])
  })

  it("can fail: it sees what gets through when a rule opens a host of the attacker", async () => {
    const { code, result } = await attack([
      "--weakened",
      "--json",
      "--only",
      "34-https",
      "--only",
      "2-tcp-ssh",
    ])
    const verdicts = Object.fromEntries(result.phases[0]?.results.map((one) => [one.name, one]) ?? [])
    expect(verdicts["34-https:agent"]?.verdict).toBe("through")
    expect(verdicts["34-https:agent"]?.seen).toMatch(/tls reached 93\.184\.216\.34:443/)
    expect(verdicts["2-tcp-ssh:agent"]?.verdict).toBe("held")
    expect(code).toBe(2)
  })
})

async function attack(args: readonly string[]) {
  const main = ["node", "--disable-warning=ExperimentalWarning", join(projectDir, "test/attack/main.ts")]
  const child = spawn("sh", [join(projectDir, "test/attack/world.sh"), ...main, ...args], {
    env: { ...process.env, STEREO_HOME: sharedHome },
  })
  let [stdout, stderr] = ["", ""]
  child.stdout.on("data", (chunk) => {
    stdout += chunk
  })
  child.stderr.on("data", (chunk) => {
    stderr += chunk
  })
  const code = await new Promise<number | null>((settle) => child.once("close", settle))
  if (!stdout.includes('"summary"')) throw new Error(`the attack ended with ${code}\n${stdout}${stderr}`)
  return { code, result: outcome.parse(JSON.parse(stdout)) }
}
