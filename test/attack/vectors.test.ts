import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { allVectors, planCases } from "../../attack/plan-cases.ts"
import { seenElsewhere } from "../../attack/vectors/elsewhere.ts"
import { projectDir } from "../e2e/test-home.ts"

/** Every bypass that got through in another system, by the words that name it in the design's battery. */
const SEEN = [
  ...[
    "CVE-2026-12039",
    "httpjail#53",
    "microsandbox#675",
    "gh-aw-firewall#9",
    "claude-code#36907",
    "AgentCore",
  ],
  ...["CVE-2026-12539", "Claude Code 2.0.24", "claude-code#40213", "claude-code#87381", "claude-code#78608"],
  ...[
    "#77045",
    "#89165",
    "gh-aw-firewall#8878",
    "microsandbox#709",
    "open-computer-use#198",
    "microsandbox#1361",
  ],
  ...[
    "klangk#2279",
    "#2285",
    "gh-aw-firewall#245",
    "PR#81423",
    "obscura#816",
    "fastmcp#4400",
    "langflow#14174",
  ],
  ...["GitNexus#1148", "nono#1676", "smokescreen#264", "peerd#3", "PromptArmor", "Sonrai", "clawker#327"],
  ...[
    "boxlite#1500",
    "lens-sandbox#179",
    "vm0#21765",
    "agent-glovebox#2433",
    "OpenShell#128",
    "leash 61c46b2",
  ],
  ...[
    "vibeD#45",
    "varlock#995",
    "sandbox#26",
    "superserve-ai/sandbox#106",
    "CVE-2026-25725",
    "agentcage#170",
  ],
  ...["agents-sandbox#39", "sandy#82", "#209", "headlong#72", "OpenSandbox#1069", "container-use#365"],
  ...["AgentENV#33", "substrate#1524", "gondolin#148", "forkd#288"],
]

const wish = { only: [], nonce: "abcdef", allowsHost: () => true, hasWorld: true }

describe("the vectors", () => {
  it("are at least 85 of all six groups, each with a name of its own that begins with the battery's number", () => {
    const ids = allVectors.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.filter((id) => !/^\d{1,3}-[a-z0-9-]+$/.test(id))).toEqual([])
    expect(ids.length).toBeGreaterThanOrEqual(85)
    expect([...new Set(allVectors.map(({ group }) => group))].sort()).toEqual([
      "G1",
      "G2",
      "G3",
      "G4",
      "G5",
      "G6",
    ])
  })

  it.each(SEEN)("the bypass %s is a vector, or stands among those without footing here", (name) => {
    const told = [
      ...allVectors.map(({ seenIn }) => seenIn ?? ""),
      ...seenElsewhere.map(({ seenIn }) => seenIn),
    ]
    expect(told.some((text) => text.includes(name))).toBe(true)
  })

  it("name a test that is there, where one running machine cannot show it", () => {
    const elsewhere = allVectors.filter(({ how, expected }) => how.kind === "none" && expected !== "NP")
    const tests = elsewhere.map(({ reason }) => /held by (test\/\S+)$/.exec(reason ?? "")?.[1] ?? "none")
    expect(tests.filter((path) => !existsSync(join(projectDir, path)))).toEqual([])
    expect(tests.length).toBeGreaterThan(5)
  })

  it("say why, where something is not promised", () => {
    const unpromised = allVectors.filter(({ expected }) => expected === "NP")
    expect(unpromised.length).toBeGreaterThan(0)
    expect(unpromised.filter(({ reason }) => (reason ?? "").length < 40)).toEqual([])
    expect(seenElsewhere.filter(({ reason }) => reason.length < 40)).toEqual([])
  })

  it("have one marker each, of one length, so that none is taken for another", () => {
    const markers = planCases(wish).map(({ marker }) => marker)
    expect(new Set(markers).size).toBe(markers.length)
    expect(new Set(markers.map((marker) => marker.length)).size).toBe(1)
    // a label of a host name
    expect(markers.filter((marker) => !/^[a-z0-9]{1,20}$/.test(marker))).toEqual([])
  })

  it("are left out with a reason where the machine's policy gives them no footing", () => {
    const cases = planCases({ ...wish, allowsHost: () => false, hasWorld: false })
    const push = cases.find(({ vector }) => vector.id === "65-git-push-pack")
    expect(push?.skip).toMatch(/does not name github\.com/)
    const denied = cases.find(({ vector }) => vector.id === "34-https")
    expect(denied?.skip).toBeNull()
  })

  it("can be narrowed to a group or to one", () => {
    expect(new Set(planCases({ ...wish, only: ["G2"] }).map(({ vector }) => vector.group))).toEqual(
      new Set(["G2"]),
    )
    expect(planCases({ ...wish, only: ["34-https"] }).map(({ from }) => from)).toEqual(["agent", "root"])
  })
})
