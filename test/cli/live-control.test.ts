import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readEgressPolicy } from "../../contract/read-egress-policy.ts"
import { type FakeProvider, openFakeProvider } from "../fakes/provider.ts"
import { type Lab, openLab } from "../host-proxy/lab.ts"
import { projectDir } from "../rules/sources.ts"
import { openCliHome, type Ran, stereoIn } from "./run-stereo.ts"

const HOST = "files.example.com"
const WHY = "the agent reads the fixtures"
const read = {
  method: "GET",
  authority: HOST,
  path: "/data?v=1",
  headers: { "stereo-process": "7 /bin/curl" },
}

let elsewhere: FakeProvider
let lab: Lab
beforeAll(async () => {
  elsewhere = await openFakeProvider()
  const hostConfig = `[[upstream]]\nhost = "${HOST}"\nurl = "${elsewhere.url}"\nwhy = "a fake for this test"`
  lab = await openLab({ files: { hostConfig } })
})
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await elsewhere[Symbol.asyncDispose]()
})

function stereo(...args: string[]): Promise<Ran> {
  return stereoIn(lab.files.home.root, args)
}

async function verdictOf(request: object = {}): Promise<unknown> {
  return (await lab.guest.send({ ...read, ...request })).headers["stereo-verdict"]
}

/** `stereo egress ask` as a program drives it. */
function startAsk(...more: string[]) {
  const env = { ...process.env, STEREO_HOME: lab.files.home.root }
  const child = spawn(join(projectDir, "stereo"), ["egress", "ask", "lab", "--json", ...more], { env })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => JSON.parse(String((await lines.next()).value)) as Record<string, unknown>
  const answer = (line: object) => child.stdin.write(`${JSON.stringify(line)}\n`)
  const dispose = () => void child.kill("SIGKILL")
  return { child, next, answer, [Symbol.dispose]: dispose }
}

describe("stereo egress on a machine that runs", () => {
  it("allows, lists, denies, revokes, and says each time what now counts", async () => {
    expect(await verdictOf()).toBe("egress/no-rule")
    const allowed = await stereo(
      "egress",
      "allow",
      "lab",
      HOST,
      "--why",
      WHY,
      "--for",
      "1h",
      "--owner",
      "data",
    )
    expect(allowed).toMatchObject({ code: 0, stderr: "" })
    expect(allowed.stdout).toMatch(
      /^live\/1 opens GET, HEAD https:\/\/files\.example\.com:443 \/\*\* with any query, until 20/,
    )
    expect(allowed.stdout).toContain(`why: ${WHY} (data)`)
    expect(allowed.stdout).toContain("stereo egress revoke lab live/1")
    expect(await verdictOf()).toBeUndefined()
    const denied = await stereo("egress", "deny", "lab", HOST, "--why", "it was seen to lie")
    expect(denied.stdout).toMatch(/^live\/2 closes files\.example\.com altogether, until the run ends/)
    expect(await verdictOf()).toBe("live/2")
    const again = await stereo("egress", "allow", "lab", HOST, "--why", WHY, "--json")
    expect(again.code).toBe(1)
    expect(JSON.parse(again.stdout)).toMatchObject({ deniedBy: "live/2", rule: { grant: { id: "live/3" } } })
    for (const id of ["live/1", "live/2", "live/3"]) {
      expect((await stereo("egress", "revoke", "lab", id)).code).toBe(0)
    }
    expect(await verdictOf()).toBe("egress/no-rule")
    const audit = await stereo("audit", "--machine", "lab", "--json")
    expect(JSON.parse(audit.stdout)).toMatchObject([
      { action: "allow", ruleId: "live/1", why: WHY, forSeconds: 3600, rule: { grant: { host: HOST } } },
      { action: "deny", ruleId: "live/2", forSeconds: null },
      { action: "allow", ruleId: "live/3" },
      ...["live/1", "live/2", "live/3"].map((ruleId) => ({ action: "revoke", ruleId })),
    ])
    const table = await stereo("audit")
    expect(table.stdout).toMatch(/^WHEN \(UTC\) +MACHINE +WHO/)
    expect(table.stdout.trim().split("\n")).toHaveLength(7)
    expect((await stereo("audit", "--machine", "other")).stdout).toBe(
      "nothing was changed by hand, on no machine called other\n",
    )
  })

  it("opens what the options say", async () => {
    const ran = await stereo(
      ...["egress", "allow", "lab", HOST, "--why", WHY, "--methods", "get,post", "--port", "8443", "--json"],
      ...["--path", "/a", "/b/*", "--websocket", "--for", "90s"],
    )
    const { rule } = JSON.parse(ran.stdout)
    expect(rule.grant).toMatchObject({
      ...{ methods: ["GET", "POST"], port: 8443, paths: ["/a", "/b/*"], websocket: true },
    })
    expect(Date.parse(rule.until) - Date.parse(rule.madeAt)).toBe(90_000)
    await stereo("egress", "revoke", "lab", rule.grant.id)
  })

  it.each([
    ["no reason", ["allow", "lab", HOST], 64, "--why"],
    ["a time that is none", ["allow", "lab", HOST, "--why", WHY, "--for", "soon"], 64, "90s, 15m, 1h or 2d"],
    ["a wide host", ["allow", "lab", "*.com", "--why", WHY], 1, "egress/bad-rule: host: "],
    ["an unknown machine", ["deny", "nobody", HOST, "--why", WHY], 1, "machine/unknown"],
    ["an unknown rule", ["revoke", "lab", "live/999"], 1, "egress/unknown-rule"],
    ["what is no rule", ["revoke", "lab", "egress/npm#1"], 1, "expected a rule such as live/3"],
    ["nobody to answer", ["ask", "lab"], 1, "ask/no-terminal"],
    ["too long a wait", ["ask", "lab", "--json", "--timeout", "11m"], 64, "at most 10m"],
  ])("with %s does nothing, and says what is wrong", async (_case, args, code, message) => {
    const ran = await stereo("egress", ...args)
    expect(ran.code).toBe(code)
    expect(ran.stderr).toContain(message)
  })

  it("reloads: says what opened and closed, and fails when nothing may leave any more", async () => {
    const file = join(lab.files.policiesDir, "egress", "openai.toml")
    const before = readFileSync(file, "utf8")
    expect((await stereo("egress", "reload", "lab")).stdout).toMatch(/^nothing changed\nlab: \d+ grants of /)
    writeFileSync(file, before.replace("[[allow]]", "[[allow]]\nbudget_mib = 7"))
    const changed = await stereo("egress", "reload", "lab")
    expect(changed.stdout).toMatch(/^opened {2}egress\/openai#1 [^\n]+\nclosed {2}egress\/openai#1 /)
    writeFileSync(file, "")
    const broken = await stereo("egress", "reload", "lab")
    expect(broken.code).toBe(1)
    expect(broken.stderr).toMatch(/^stereo: egress\/set-broken: nothing leaves lab any more: .*openai\.toml/)
    writeFileSync(file, before)
    expect((await stereo("egress", "reload", "lab", "--json")).code).toBe(0)
  })
})

describe("stereo egress denied", () => {
  it("lists what was refused, by host, and drafts a set of it that loads", async () => {
    await using used = await openLab()
    const run = (...args: string[]) => stereoIn(used.files.home.root, ["egress", ...args])
    expect(await run("denied", "lab")).toMatchObject({ code: 0, stdout: "nothing was refused\n" })
    for (const path of ["/users/1", "/users/2", "/data"]) await used.guest.send({ ...read, path })
    await used.guest.send({ ...read, method: "POST", path: "/users/2", body: "x" })
    await used.guest.send({ method: "CONNECT", authority: "other.example.com:443" })
    await used.guest.send({ method: "GET", authority: "169.254.169.254", path: "/latest/meta-data" })
    const listed = await run("denied", "lab", "--json", "--since", "1h")
    expect(JSON.parse(listed.stdout)).toMatchObject([
      {
        ...{ host: HOST, port: 443, count: 4, rules: ["egress/no-rule"], processes: ["7 /bin/curl"] },
        requests: [{ method: "GET", path: "/users/1", count: 1 }, {}, {}, { method: "POST" }],
      },
      { host: "other.example.com", requests: [{ method: "CONNECT", path: "" }] },
      { host: "169.254.169.254", port: null, rules: ["egress/ip-literal"] },
    ])
    const table = await run("denied", "lab")
    expect(table.stdout).toMatch(
      /^files\.example\.com:443 +4 .*egress\/no-rule +GET \/users\/1, .* 7 \/bin\/curl$/m,
    )
    const options = ["--name", "fixtures", "--owner", "data-team", "--why", WHY]
    const drafted = await run("draft", "lab", ...options)
    expect(drafted.code).toBe(0)
    expect(readEgressPolicy([{ name: "fixtures", text: drafted.stdout }])).toMatchObject({
      grants: [
        { host: HOST, methods: ["GET"], paths: ["/data", "/users/*"] },
        { host: HOST, methods: ["POST"], paths: ["/users/2"] },
      ],
    })
    expect(drafted.stdout).toContain("# not drafted: only CONNECT was seen")
    expect(drafted.stdout).not.toContain("169.254")
    const wrong = await run("draft", "lab", "absent.example.com", ...options)
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining("egress/not-denied") })
  })

  it("writes a draft only where no set is yet", async () => {
    await using used = await openLab()
    await used.guest.send(read)
    // a checkout of the test's own: the sources by reference, the policies its own
    const checkout = mkdtempSync(join(tmpdir(), "stereo-checkout-"))
    const parts = [
      "attack",
      "builder",
      "cli",
      "contract",
      "host-proxy",
      "machine",
      "publish",
      "review",
      "trust",
    ]
    for (const name of [...parts, "node_modules", "package.json"]) {
      symlinkSync(join(projectDir, name), join(checkout, name))
    }
    mkdirSync(join(checkout, "policies", "egress"), { recursive: true })
    const options = ["--name", "fixtures", "--owner", "data-team", "--why", WHY, "--write"]
    const write = async () => {
      const keep = ["--preserve-symlinks", "--preserve-symlinks-main", join(checkout, "cli/main.ts")]
      const env = { ...process.env, STEREO_HOME: used.files.home.root }
      const child = spawn(process.execPath, [...keep, "egress", "draft", "lab", ...options], { env })
      const said: string[] = []
      child.stderr.on("data", (chunk) => said.push(String(chunk)))
      child.stdout.on("data", (chunk) => said.push(String(chunk)))
      const [code] = await once(child, "close")
      return `${code} ${said.join("")}`
    }
    const file = join(checkout, "policies", "egress", "fixtures.toml")
    expect(await write()).toMatch(/^0 wrote .*fixtures\.toml/)
    const text = readFileSync(file, "utf8")
    expect(readEgressPolicy([{ name: "fixtures", text }])).toMatchObject({ grants: [{ host: HOST }] })
    writeFileSync(file, `${text}# signed\n`)
    expect(await write()).toMatch(/^1 [\s\S]*egress\/set-exists/)
    expect(readFileSync(file, "utf8")).toContain("# signed")
    rmSync(checkout, { recursive: true })
  })
})

describe("stereo egress ask", () => {
  it("lets a program answer line by line, and refuses what waits when its input ends", async () => {
    using asking = startAsk("--timeout", "30s")
    expect(await asking.next()).toEqual({ kind: "asking", machine: "lab", timeoutMs: 30_000 })
    const held = verdictOf()
    expect(await asking.next()).toMatchObject({ kind: "question", id: 1, host: HOST, process: "7 /bin/curl" })
    asking.answer({ id: 1, answer: "once" })
    expect(await held).toBeUndefined()
    expect(await asking.next()).toMatchObject({ kind: "settled", id: 1 })
    const second = verdictOf()
    expect(await asking.next()).toMatchObject({ kind: "question", id: 2 })
    const ended = once(asking.child, "close")
    asking.child.stdin.end()
    expect(await second).toBe("egress/asked")
    expect((await ended)[0]).toBe(0)
  })

  it("killed in the middle, refuses what waits", async () => {
    using asking = startAsk()
    await asking.next()
    const held = verdictOf()
    await asking.next()
    asking.child.kill("SIGKILL")
    expect(await held).toBe("egress/asked")
    expect(await verdictOf()).toBe("egress/no-rule")
  })

  it("ends with 130 at an interrupt", async () => {
    using asking = startAsk()
    await asking.next()
    const ended = once(asking.child, "close")
    asking.child.kill("SIGINT")
    expect((await ended)[0]).toBe(130)
  })
})

describe("stereo audit", () => {
  it("of an empty home is empty", async () => {
    using home = openCliHome()
    expect(await home.stereo("audit")).toMatchObject({ code: 0, stdout: "nothing was changed by hand\n" })
    expect(JSON.parse((await home.stereo("audit", "--json")).stdout)).toEqual([])
  })
})
