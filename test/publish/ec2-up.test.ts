import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { SSH_PORTS } from "../../contract/wire.ts"
import { type PublishRequest, publishImage } from "../../publish/ec2/publish-image.ts"
import { openTestHome, type TestHome } from "../e2e/test-home.ts"
import { ec2Refusal } from "../fakes/aws/call.ts"
import { quietKnobs } from "../fakes/aws/knobs.ts"
import { type Aws, openAws } from "../fakes/aws/open-aws.ts"
import { openSshd, type Sshd } from "../fakes/aws/open-sshd.ts"
import { openTestStore, signFolder, type TestStore } from "../trust/image-folder.ts"
import { FAKE_CREDENTIALS, openLab } from "./ec2-lab.ts"

const lacking = ["/usr/sbin/sshd"].filter((path) => !existsSync(path))
if (process.getuid?.() !== 0) lacking.push("root, as whom sshd logs in")
if (lacking.length > 0) console.warn(`skipped: this host lacks ${lacking.join(", ")}`)

const REGION = "eu-central-1"
const OTHER = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)}`
const line = (user: string, key: string) => `stereo-host-key: ${user} ${key}`
const environment = { ...FAKE_CREDENTIALS, SSH_AUTH_SOCK: "" }

let aws: Aws
let store: TestStore
let home: TestHome

beforeAll(async () => {
  aws = await openAws()
  store = openTestStore()
  home = openTestHome("", store.home.root, [])
}, 600_000)
afterAll(async () => {
  await home[Symbol.asyncDispose]()
  store[Symbol.dispose]()
  await aws[Symbol.asyncDispose]()
})

const cloud = () => ["--region", REGION, "--endpoint", aws.url]

async function publish(changes: Partial<PublishRequest> = {}): Promise<string> {
  await using lab = await openLab(aws, REGION)
  return (await publishImage(lab.request(await lab.makeDisk("disk", "AB"), changes))).imageId
}

describe("an image that is named to stereo up --on ec2", () => {
  const up = (image: string) => {
    const key = join(home.root, "host.toml") // read, and never sent: nothing is there to log in to
    return home.stereo(["up", "--on", "ec2", image, ...cloud(), "--identity", key, "--", "true"], {
      environment,
    })
  }

  it("is missed before a key is, which is not asked for until there is something to log in to", async () => {
    aws.calls.length = 0
    const { code, stderr } = await home.stereo(
      ["up", "--on", "ec2", "nope", ...cloud(), "--identity", "/nowhere", "--", "true"],
      { environment },
    )
    expect({ code, stderr }).toEqual({
      code: 125,
      stderr: expect.stringContaining('image/not-built: there is no built image "nope"') as string,
    })
    expect(aws.calls).toEqual([])
  })

  it("is looked for at AWS when it verifies", async () => {
    const { digest } = await store.store("base")
    for (const reference of ["base", digest.slice(0, 12)]) {
      aws.calls.length = 0
      expect(await up(reference)).toMatchObject({
        code: 125,
        stderr: expect.stringContaining("ec2/not-published") as string,
      })
      expect(aws.calls.map(({ action }) => action)).toEqual(["DescribeImages"])
    }
  })

  it.each<[string, (dir: string) => Promise<void> | void]>([
    ["whose signature is broken", (dir) => change(join(dir, "provenance.dsse.json"), /"sig":\s*"./)],
    ["whose key nobody here trusts", (dir) => signElsewhere(dir)],
    ["whose manifest was changed", (dir) => change(join(dir, "manifest.toml"), /memory_mib = \d/)],
    ["of which a file was changed", (dir) => change(join(dir, "units.json"), /\[/)],
    ["whose root was changed", (dir) => change(join(dir, "root.verity"), /blocks/)],
  ])("is refused as by up here, and nothing is asked of AWS, when it is one %s", async (_what, spoil) => {
    const { dir } = await store.store("base")
    await spoil(dir)
    aws.calls.length = 0
    const { code, stderr } = await up("base")
    expect({ code, stderr }).toEqual({
      code: 125,
      stderr: expect.stringContaining("image/not-verified") as string,
    })
    expect(aws.calls).toEqual([])
  })
})

/** Changes the last character of what the pattern finds. */
function change(file: string, pattern: RegExp): void {
  const text = readFileSync(file, "latin1")
  const changed = text.replace(pattern, (found) => `${found.slice(0, -1)}${found.endsWith("5") ? "6" : "5"}`)
  expect(changed).not.toBe(text)
  writeFileSync(file, changed, "latin1")
}

async function signElsewhere(dir: string): Promise<void> {
  using elsewhere = openTestStore()
  await signFolder(elsewhere.home, dir)
}

describe.skipIf(lacking.length > 0)("stereo up --on ec2", () => {
  let sshd: Sshd
  let ami: string

  beforeAll(async () => {
    sshd = await openSshd()
    ami = await publish()
  })
  afterAll(() => sshd[Symbol.asyncDispose]())
  beforeEach(() => {
    aws.calls.length = 0
    Object.assign(aws.knobs, quietKnobs(), {
      // a terminal adds a carriage return to each line's end, also where there is one
      console: () => `boot\r\n${line("agent", OTHER)}\r\r\n${line("root", sshd.hostKey)}\r\r\nready\r\n`,
    })
  })

  const upArgs = (...words: string[]) => {
    const access = [
      "--user",
      "root",
      "--identity",
      sshd.identity,
      "--ssh-port",
      String(sshd.port),
      "--poll",
      "0.02",
    ]
    return ["up", "--on", "ec2", ami, ...cloud(), ...access, ...words]
  }
  const up = (...words: string[]) => home.stereo(upArgs(...words), { environment })
  const living = async () =>
    (await home.json(["ls", "--on", "ec2", ...cloud()], { environment })) as unknown[]
  const actions = () => aws.calls.map(({ action }) => action)

  it("starts an instance, runs a command in it with its streams and exit code, and terminates it", async () => {
    Object.assign(aws.knobs, { unknownReads: 2, pendingReads: 2 })
    const result = await home.stereo(upArgs("--", "sh", "-c", "cat; echo gone >&2; exit 7"), {
      environment,
      input: "through and through",
    })
    expect(result).toMatchObject({ code: 7, stdout: "through and through" })
    expect(result.stderr).toContain("gone\n")
    expect(actions().filter((one) => one === "RunInstances" || one === "TerminateInstances")).toEqual([
      "RunInstances",
      "TerminateInstances",
    ])
    expect(await living()).toEqual([])
  })

  it("starts the AMI of an image that verifies, and one whose firmware holds keys before one without", async () => {
    const { digest, manifest } = await store.store("base")
    const image = { name: "base", digest, plan: manifest.plan }
    const plain = await publish({ image })
    const started = async () => {
      aws.calls.length = 0
      const words = upArgs("--", "sh", "-c", "exit 4").map((word) => (word === ami ? "base" : word))
      expect(await home.stereo(words, { environment })).toMatchObject({ code: 4 })
      return aws.calls.find(({ action }) => action === "RunInstances")?.fields["ImageId"]
    }
    expect(await started()).toBe(plain)
    const signature = `certificate:${digest}` as const
    const signed = await publish({ image, secureBoot: { signature, uefiData: "QU1aTlVFRkk=" } })
    expect(await started()).toBe(signed)
  })

  it("looks for root's sshd at a port of its own, and knows it by root's host key", async () => {
    const atItsPort = await openSshd(SSH_PORTS.root)
    await using _ = atItsPort
    aws.knobs.console = () => `${line("root", atItsPort.hostKey)}\n${line("agent", OTHER)}\n`
    const access = ["--user", "root", "--identity", atItsPort.identity, "--poll", "0.02"]
    const words = ["up", "--on", "ec2", ami, ...cloud(), ...access, "--", "sh", "-c", "exit 5"]
    expect(await home.stereo(words, { environment })).toMatchObject({ code: 5 })
    expect(atItsPort.sessions).toHaveLength(1)
  })

  it("asks for IMDSv2 with one hop, an end at shutdown, tags and no key pair", async () => {
    await up("--name", "demo", "--instance-type", "m7i.large", "--", "true")
    // the fake refuses it without the first two
    const run = aws.calls.find(({ action }) => action === "RunInstances")
    expect(run?.fields).toMatchObject({
      InstanceType: "m7i.large",
      "MetadataOptions.HttpTokens": "required",
      "TagSpecification.1.Tag.2.Key": "stereo:machine",
      "TagSpecification.1.Tag.2.Value": "demo",
      "TagSpecification.2.ResourceType": "volume",
    })
    expect(run?.fields).not.toHaveProperty("KeyName")
  })

  it("sends nothing to what has another host key than the console shows, and terminates it", async () => {
    aws.knobs.console = () => `${line("agent", sshd.hostKey)}\n${line("root", OTHER)}\n`
    const result = await up("--", "touch", "/tmp/stereo-must-not-be-there")
    expect(result.code).toBe(125)
    expect(result.stderr).toContain("exec/wrong-host-key")
    expect(existsSync("/tmp/stereo-must-not-be-there")).toBe(false)
    expect(await living()).toEqual([])
  })

  it.each([
    ["the console shows two keys", "ec2/two-host-keys"],
    ["the instance ends while it boots", "ec2/instance-failed"],
    ["the key is not the one that logs in", "exec/refused"],
  ])("terminates it when %s", async (what, code) => {
    const other = await openSshd()
    await using _ = other
    if (code === "ec2/two-host-keys")
      aws.knobs.console = () => `${line("root", sshd.hostKey)}\n${line("root", other.hostKey)}\n`
    if (code === "ec2/instance-failed") aws.knobs.endsAtBoot = true
    const identity = code === "exec/refused" ? ["--identity", other.identity] : []
    const result = await home.stereo([...upArgs(), ...identity, "--", "true"], { environment })
    expect([what, result.code, result.stderr]).toEqual([what, 125, expect.stringContaining(code)])
    expect(await living()).toEqual([])
    expect(actions()).toContain("TerminateInstances")
  })

  it.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s while it boots terminates it", async (signal) => {
    aws.knobs.console = () => null
    const child = home.start(upArgs("--", "true"), environment)
    await seen(() => actions().includes("GetConsoleOutput"))
    child.kill(signal)
    const code = await new Promise((settle) => child.once("exit", settle))
    expect(code).not.toBe(0)
    expect(actions()).toContain("TerminateInstances")
    expect(await living()).toEqual([])
  })

  it("Ctrl-C during the command ends the command and terminates the instance", async () => {
    const child = home.start(upArgs("--", "sleep", "600"), environment)
    const before = sshd.sessions.length
    await seen(() => sshd.sessions.length > before)
    child.kill("SIGINT")
    await new Promise((settle) => child.once("exit", settle))
    expect(await living()).toEqual([])
  })

  it("an instance whose RunInstances was never answered is found by its token, and terminated", async () => {
    let runs = 0
    aws.knobs.intercept = ({ action }) => {
      if (action !== "RunInstances") return null
      runs += 1
      return runs === 1 ? "lost" : ec2Refusal(400, "InsufficientInstanceCapacity", "none left")
    }
    const result = await up("--", "true")
    expect(result.stderr).toContain("InsufficientInstanceCapacity")
    expect(runs).toBe(2)
    expect(await living()).toEqual([])
  })

  it("one that a killed stereo left is found by its tag, and ended by rm", async () => {
    aws.knobs.console = () => null
    const child = home.start(upArgs("--name", "orphan", "--", "true"), environment)
    await seen(() => actions().includes("GetConsoleOutput"))
    child.kill("SIGKILL")
    await new Promise((settle) => child.once("exit", settle))
    expect(await living()).toMatchObject([{ name: "orphan", state: "running", imageId: ami }])
    const unknown = await home.stereo(["rm", "--on", "ec2", ...cloud(), "another"], { environment })
    expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("ec2/unknown") as string })
    await home.must(["rm", "--on", "ec2", ...cloud(), "orphan"], { environment })
    expect(await living()).toEqual([])
  })
})

async function seen(what: () => boolean): Promise<void> {
  for (let looks = 0; looks < 600 && !what(); looks += 1)
    await new Promise((settle) => setTimeout(settle, 50))
  if (!what()) throw new Error("what was waited for never came")
}
