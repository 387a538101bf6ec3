import { describe, expect, it } from "vitest"
import { openFakeProvider } from "../../fakes/provider.ts"
import { openLab } from "../lab.ts"

const RULE = `[[allow]]
host = "files.example.com"
methods = ["GET"]
paths = ["/**"]
why = "a rule for this test"
`
const set = (name: string, more = "", rules = RULE) =>
  `name = "${name}"\nwhy = "a set for this test"\nowner = "payments-team"\n${more}\n${rules}`

/** One GET of a machine with these sets, and what the upstream saw. */
async function ask(egressSets: readonly string[], moreSets: Readonly<Record<string, string>>) {
  await using upstream = await openFakeProvider()
  const hostConfig = `[[upstream]]\nhost = "files.example.com"\nurl = "${upstream.url}"\nwhy = "a fake for this test"`
  await using lab = await openLab({ files: { egressSets, moreSets, hostConfig } })
  const answer = await lab.guest.send({ method: "GET", authority: "files.example.com", path: "/a" })
  return {
    rule: answer.headers["stereo-verdict"],
    text: answer.body.toString(),
    seen: upstream.requests.length,
  }
}

describe("a machine whose policy says nothing", () => {
  it.each([
    ["whole sets let their requests out", ["good"], { good: set("good") }, undefined, 1],
    ["no set at all lets nothing out", [], {}, "egress/no-rule", 0],
    ["a set without rules lets nothing out", ["empty"], { empty: set("empty", "", "") }, "egress/no-rule", 0],
    ["a set that is not there lets nothing out", ["absent"], {}, "egress/set-unknown", 0],
    [
      "one set that is not there closes the others",
      ["good", "absent"],
      { good: set("good") },
      "egress/set-unknown",
      0,
    ],
    [
      "one broken set closes the others",
      ["good", "bad"],
      {
        good: set("good"),
        bad: set("bad", "", RULE.replace("files.example.com", "*.com")),
      },
      "egress/set-broken",
      0,
    ],
  ] as const)("%s", async (_what, sets, files, rule, seen) => {
    expect(await ask(sets, files)).toMatchObject({ rule, seen })
  })

  it("is told which line is wrong", async () => {
    const bad = set("bad", "", RULE.replace("files.example.com", "*.com"))
    expect((await ask(["bad"], { bad })).text).toContain(
      "policies/egress/bad.toml:6: allow.0.host: stands for every name",
    )
  })
})

describe("a set that expires while the machine runs", () => {
  it("lets out to the end of its last day (UTC), and from then on is refused by name", async () => {
    await using upstream = await openFakeProvider()
    const hostConfig = `[[upstream]]\nhost = "files.example.com"\nurl = "${upstream.url}"\nwhy = "a fake for this test"`
    const files = {
      egressSets: ["short"],
      moreSets: { short: set("short", 'expires = "2026-11-25"') },
      hostConfig,
    }
    let nowMs = Date.parse("2026-11-25T23:59:59.999Z")
    await using lab = await openLab({ files, host: { now: () => nowMs } })
    const ask = () => lab.guest.send({ method: "GET", authority: "files.example.com", path: "/a" })
    await ask()
    expect(upstream.requests).toHaveLength(1)
    nowMs += 1
    const refused = await ask()
    expect(refused.headers["stereo-verdict"]).toBe("egress/expired")
    expect(refused.body.toString()).toMatch(/egress\/short#1 .*2026-11-25.*payments-team/)
    expect(upstream.requests).toHaveLength(1)
  })
})
