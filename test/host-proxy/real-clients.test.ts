/**
 * Real clients in a guest without a VM: real packet filter, real capture proxy, real host service; before them git
 * and npm as they are, behind them servers that take everything. What is refused is refused in between.
 */

import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { chownSync, mkdirSync, realpathSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { GUEST_USERS } from "../../contract/wire.ts"
import { type GitServer, openGitServer } from "../fakes/git-server.ts"
import { type NpmRegistry, openNpmRegistry } from "../fakes/npm-registry.ts"
import { startCaptureBefore } from "../guest-agent/capture-lab.ts"
import { GuestLab, labProblem, type Ran } from "../guest-agent/guest-lab.ts"
import { type Lab, openLab } from "./lab.ts"

const REGISTRY = "https://registry.npmjs.org"
const CODE = `name = "code"
why = "the repository of this test"
owner = "testers"

[[allow]]
host = "github.com"
git = "read"
repositories = ["acme/payments"]
why = "reading one repository"

[[allow]]
host = "github.com"
methods = ["GET", "POST", "PUT"]
paths = ["/**"]
why = "too wide on purpose: it must not open what the rule above closes"
`
const problem = labProblem() ?? programProblem()

function programProblem(): string | null {
  try {
    execFileSync("git", ["http-backend", "--help"], { stdio: "ignore" })
    return npmProgram() === null ? "npm is not installed" : null
  } catch (thrown) {
    // without its CGI variables it fails by itself: only a program that is not there ends in ENOENT
    return thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT"
      ? "git is not installed"
      : null
  }
}

/** npm's program for Node; the pinned Node brings none. */
function npmProgram(): string | null {
  try {
    return realpathSync(execFileSync("which", ["npm"], { encoding: "utf8" }).trim())
  } catch {
    return null
  }
}

/** As somebody who has no gateway before him. Not by execFileSync: the servers live in this process. */
async function runOutside(program: string, argv: readonly string[], cwd = "/"): Promise<void> {
  const child = spawn(program, argv, { cwd, stdio: "ignore" })
  const [code] = await once(child, "close")
  expect(code).toBe(0)
}

describe("real clients through the gateway", () => {
  const stack = new AsyncDisposableStack()
  let repository: GitServer
  let registry: NpmRegistry
  let lab: Lab
  let guest: GuestLab

  beforeAll(async () => {
    if (problem) return
    repository = stack.use(await openGitServer("acme/payments"))
    registry = stack.use(await openNpmRegistry(["left-pad", "@acme/tool"], REGISTRY))
    const upstream = (host: string, url: string) =>
      `[[upstream]]\nhost = "${host}"\nurl = "${url}"\nwhy = "a fake for this test"`
    const hostConfig = [
      upstream("github.com", repository.url),
      upstream("registry.npmjs.org", registry.url),
    ].join("\n\n")
    lab = stack.use(
      await openLab({ files: { hostConfig, egressSets: ["code", "npm"], moreSets: { code: CODE } } }),
    )
    guest = stack.use(new GuestLab())
    const { intake } = await startCaptureBefore(guest, lab.files.machine.egressSocket, [])
    stack.defer(() => void intake.close())
    mkdirSync(join(guest.dir, "home"))
    chownSync(join(guest.dir, "home"), GUEST_USERS.agent.uid, GUEST_USERS.agent.uid)
  })
  beforeEach((context) => {
    if (problem) context.skip(problem)
  })
  afterAll(() => stack.disposeAsync())

  const asAgent = (script: string): Promise<Ran> =>
    guest.run(GUEST_USERS.agent.uid, ["sh", "-ec", `cd ${guest.dir}/home; ${script}`], "", {
      HOME: join(guest.dir, "home"),
      GIT_SSL_CAINFO: "/run/stereo/ca/bundle.crt",
      GIT_TERMINAL_PROMPT: "0",
      GIT_CONFIG_NOSYSTEM: "1",
      NODE_EXTRA_CA_CERTS: "/run/stereo/ca/ca.crt",
      // whatever the host's own npm is told of mirrors and proxies
      npm_config_globalconfig: "/dev/null",
      npm_config_registry: REGISTRY,
      npm_config_fetch_retries: "0",
      npm_config_audit: "true",
      npm_config_update_notifier: "false",
      npm_config_cache: join(guest.dir, "home", "cache"),
    })
  const npm = (argv: string) =>
    asAgent(`mkdir -p project; cd project; timeout 10 /run/node ${npmProgram()} ${argv}`)
  const rules = async () =>
    (await lab.rows()).map(({ method, target, rule }) => `${method} ${target} ${rule}`)

  it("git clones and fetches the repository that a rule names, by both versions of the protocol", async () => {
    for (const version of [1, 2]) {
      const from = "https://github.com/acme/payments.git"
      const cloned = await asAgent(
        `git -c protocol.version=${version} clone ${from} clone${version}; cat clone${version}/README.md`,
      )
      expect(cloned).toMatchObject({ code: 0, stdout: "a repository for tests\n" })
      expect(await asAgent(`cd clone${version}; git fetch --all`)).toMatchObject({ code: 0 })
    }
    expect(await rules()).toContain("POST /acme/payments.git/git-upload-pack egress/code#1")
  })

  it("git push is refused before a byte of it reaches the server, though another rule is wide open", async () => {
    const before = repository.head()
    const pushed = await asAgent(
      "cd clone2; git -c user.name=A -c user.email=a@example.com commit --quiet --allow-empty -m more; git push origin main",
    )
    expect(pushed.code).not.toBe(0)
    expect(pushed.stderr).toContain("403")
    expect(repository.requests.filter((one) => one.includes("receive-pack"))).toEqual([])
    expect(repository.head()).toBe(before)
    expect(await rules()).toContainEqual(
      expect.stringMatching(/info\/refs\?service=git-receive-pack egress\/git-push$/),
    )
    // the server itself would have taken it
    const direct = [
      "-c",
      "safe.directory=*",
      "push",
      "--quiet",
      `${repository.url}/acme/payments.git`,
      "main",
    ]
    await runOutside("git", ["-C", join(guest.dir, "home", "clone2"), ...direct])
    expect(repository.head()).not.toBe(before)
  })

  it("git clone of another repository is refused", async () => {
    expect((await asAgent("git clone https://github.com/acme/other.git")).stderr).toMatch(/403|not found/)
  })

  it("npm installs packages, scoped ones too", async () => {
    const installed = await npm("install left-pad @acme/tool --no-fund")
    expect(installed).toMatchObject({ code: 0, stdout: expect.stringContaining("added 2 packages") })
    const both = `cd project; /run/node -p 'require("left-pad") + require("@acme/tool")'`
    expect((await asAgent(both)).stdout.trim()).toBe("left-pad@acme/tool")
    expect(registry.requests).toContain("GET /@acme%2ftool")
    // what npm asks besides, of its own accord: which of the packages have known holes
    expect(registry.requests.filter((one) => !one.startsWith("GET"))).toEqual([])
    expect(await rules()).toContainEqual(
      expect.stringMatching(/^POST \/-\/npm\/v1\/security\S+ egress\/no-rule$/),
    )
  })

  it.each([
    ["publish", "publish"],
    ["unpublish", "unpublish left-pad@1.0.0 --force"],
    ["dist-tag", "dist-tag add left-pad@1.0.0 old"],
    ["search", "search a-secret-text"],
    ["whoami", "whoami"],
  ])("npm %s is refused, with whatever token", async (_name, argv) => {
    const project = join(guest.dir, "home", "project")
    mkdirSync(project, { recursive: true })
    writeFileSync(join(project, "package.json"), JSON.stringify({ name: "loot", version: "1.0.0" }))
    writeFileSync(join(project, ".npmrc"), `//registry.npmjs.org/:_authToken=npm_of_the_attacker\n`)
    const before = registry.requests.length
    const tried = await npm(argv)
    expect(tried.code).not.toBe(0)
    expect(tried.stderr).toMatch(/403/)
    expect(
      registry.requests.slice(before).filter((one) => !/^GET \/(?:left-pad|loot|npm)$/.test(one)),
    ).toEqual([])
  })

  it("npm publish would have been taken by the registry itself", async () => {
    const program = npmProgram() ?? ""
    const argv = [
      program,
      "publish",
      `--registry=${registry.url}`,
      `--//${new URL(registry.url).host}/:_authToken=x`,
    ]
    await runOutside(process.execPath, argv, join(guest.dir, "home", "project"))
    expect(registry.requests).toContain("PUT /loot")
  })
})
