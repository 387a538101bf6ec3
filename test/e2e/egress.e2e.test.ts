import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { z } from "zod"
import { type FakeProvider, openFakeProvider } from "../fakes/provider.ts"
import { ESCAPES, prepareEscapes, tryEscapes } from "./escapes.ts"
import { openTestHome, type TestHome } from "./test-home.ts"
import { type Canary, openCanary, readWireWitness } from "./witness.ts"

const MACHINE = "walls"
/** QEMU's network namespace has a loopback interface that is down, and no socket. */
const NOTHING = { interfaces: ["lo received 0 sent 0"], sockets: [] }

const verified = z.looseObject({
  verdict: z.string(),
  from: z.string(),
  breaches: z.array(z.looseObject({ promise: z.string(), packet: z.string() })),
  notProven: z.array(z.unknown()),
  leaves: z.array(z.string()),
})

let provider: FakeProvider
let canary: Canary
let home: TestHome

beforeAll(async () => {
  provider = await openFakeProvider()
  canary = await openCanary()
  home = openTestHome(`[providers.anthropic]\nkey = "sk-ant-walls"\nupstream = "${provider.url}"\n`)
  await home.must(["up", "--name", MACHINE])
  await prepareEscapes(home, MACHINE)
})

afterAll(async () => {
  await home?.[Symbol.asyncDispose]()
  await canary?.[Symbol.asyncDispose]()
  await provider?.[Symbol.asyncDispose]()
})

describe("the packet filter that the machine's kernel has loaded", () => {
  it("is proven to let out the capture proxy's calls to the gateway and nothing else", async () => {
    const proof = verified.parse(await home.json(["egress", "verify", MACHINE]))
    expect(proof).toMatchObject({ verdict: "proven", breaches: [], notProven: [] })
    expect(proof.from).toContain(MACHINE)
    expect(proof.leaves).toHaveLength(2)
  })

  it("is the one that the image promises: nothing opens from image to machine", async () => {
    const diff = await home.stereo(["egress", "diff", "image:base", `machine:${MACHINE}`])
    expect({ code: diff.code, out: diff.stdout }).toMatchObject({ code: 0 })
  })
})

describe("the agent user", () => {
  it("gets every way out refused in under 3 seconds, each by a rule with a name", async () => {
    const toCanary = [
      `tcp 10.0.2.2 ${canary.port}`,
      `udp 10.0.2.2 ${canary.port}`,
      `tcp 127.0.0.1 ${canary.port}`,
    ]
    const tried = await tryEscapes(home, MACHINE, [...Object.keys(ESCAPES), ...toCanary])
    // this host may be busy: what was refused late has a second try, in which it must be in time
    const late = tried.filter(({ ms }) => ms >= 3000).map(({ id }) => id)
    const again = late.length === 0 ? [] : await tryEscapes(home, MACHINE, late)
    const results = tried.map((one) => again.find(({ id }) => id === one.id) ?? one)
    expect(results.filter((one) => one.outcome !== "refused" || one.ms >= 3000 || one.rule === "")).toEqual(
      [],
    )
    expect(results).toHaveLength(Object.keys(ESCAPES).length + 3)
  })

  it("left nothing at the witnesses: no canary touched, no socket and no byte in QEMU's namespace", () => {
    expect(canary.touched).toEqual([])
    expect(readWireWitness(home, MACHINE)).toEqual(NOTHING)
    expect(provider.requests).toEqual([])
  })

  it("finds the refusals of requests in the archive, with the rule", async () => {
    const shown = await home.must(["sessions", "ls", "--json"])
    const sessions = z
      .array(z.looseObject({ id: z.string(), refusals: z.int() }))
      .parse(JSON.parse(shown.stdout))
    expect(sessions.reduce((sum, session) => sum + session.refusals, 0)).toBeGreaterThanOrEqual(6)
  })

  it("cannot become root, write to the image, or look into the capture proxy", async () => {
    const tries =
      "find / -xdev -perm /6000 -type f 2>/dev/null; touch /usr/x; pgrep -u capture; cat /proc/1/environ"
    const result = await home.stereo(["exec", MACHINE, "--", "sh", "-c", tries])
    expect(result.stdout).toBe("")
    expect(result.stderr).toMatch(/Read-only file system/)
    expect(result.stderr).toMatch(/Permission denied|No such file/)
  })
})

/** The wire is one stream: a newcomer's first connection may meet the rest of the one before. */
function askGateway(authority: string, prefix = ""): string {
  return `${prefix} curl -sS -m 5 --retry 8 --retry-delay 1 --retry-all-errors --http2-prior-knowledge -o /dev/null -w '%{http_code} %header{stereo-verdict}\\n' --connect-to ::10.0.2.100:3128 http://${authority}/ | tail -n 1`
}

describe("root in the guest, in the place of the capture proxy", () => {
  it("gets the same verdicts from the host: the wall that decides is not in the guest", async () => {
    const as = "setpriv --reuid 990 --regid 990 --clear-groups"
    const asked = ["evil.example", "169.254.169.254", "127.0.0.1"].map((host) => askGateway(host, as))
    const script = ["systemctl stop stereo-capture", "sleep 1", ...asked].join("; ")
    const result = await home.stereo(["exec", MACHINE, "--user", "root", "--", "sh", "-c", script])
    expect(result.stdout.trim().split("\n")).toEqual([
      "403 egress/no-rule",
      "403 egress/ip-literal",
      "403 egress/ip-literal",
    ])
    expect(provider.requests).toEqual([])
  })
})

describe("root in the guest, after nft flush ruleset", () => {
  beforeAll(async () => {
    await home.must(["exec", MACHINE, "--user", "root", "--", "nft", "flush", "ruleset"])
  })

  it("leaves a packet filter that is broken, with a packet that shows it", async () => {
    const shown = await home.stereo(["egress", "verify", MACHINE, "--json"])
    expect(shown.code).toBe(2)
    const { verdict, breaches } = verified.parse(JSON.parse(shown.stdout))
    expect(verdict).toBe("broken")
    expect(breaches.map(({ promise }) => promise)).toContain("leaves")
  })

  it("still reaches nothing but the gateway", async () => {
    // ARP is answered by QEMU itself, on a wire that ends there: the witness below says that nothing left
    const ways = Object.keys(ESCAPES).filter((id) => id !== "gateway-direct" && id !== "raw-socket")
    const results = await tryEscapes(
      home,
      MACHINE,
      [...ways, `tcp 10.0.2.2 ${canary.port}`, `udp 10.0.2.2 ${canary.port}`],
      "root",
    )
    expect(results.filter((one) => !["refused", "silence"].includes(one.outcome))).toEqual([])
    expect(canary.touched).toEqual([])
    expect(readWireWitness(home, MACHINE)).toEqual(NOTHING)
  })

  it("finds the gateway closed for this machine, as an event, until it is started anew", async () => {
    const script = [
      askGateway("evil.example"),
      "nft -f /usr/lib/stereo/firewall.nft",
      askGateway("evil.example", "setpriv --reuid 990 --regid 990 --clear-groups"),
    ]
    const result = await home.stereo(["exec", MACHINE, "--user", "root", "--", "sh", "-c", script.join("; ")])
    expect(result.stdout.trim().split("\n")).toEqual(["403 attestation/ruleset", "403 attestation/ruleset"])
    const [machine] = z
      .array(z.looseObject({ attestation: z.looseObject({ state: z.string(), rule: z.string() }) }))
      .parse(await home.json(["ls"]))
    expect(machine?.attestation).toMatchObject({ state: "refused", rule: "attestation/ruleset" })
    expect(provider.requests).toEqual([])
  })
})
