import { once } from "node:events"
import { readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer, type Server } from "node:net"
import { join } from "node:path"
import { PassThrough, Readable } from "node:stream"
import { text } from "node:stream/consumers"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { readPcap } from "../../attack/witness/read-pcap.ts"
import { canonicalRuleset } from "../../contract/canonical-ruleset.ts"
import { manifest as manifestShape } from "../../contract/manifest.ts"
import { parseToml } from "../../contract/toml.ts"
import { SSH_PORTS } from "../../contract/wire.ts"
import { executeRemote } from "../../machine/execute-remote.ts"
import { mintSecrets } from "../../machine/plan/mint-secrets.ts"
import { readHostKey, type SshUser } from "../../publish/ec2/instance/host-key.ts"
import type { PublishReport } from "../../publish/ec2/publish-image.ts"
import { openAws, writesOf } from "../fakes/aws/open-aws.ts"
import { makeAuthority, openTlsGateway, type TlsGateway } from "../fakes/tls-gateway.ts"
import { FAKE_CREDENTIALS, joinBlocks, openLab } from "../publish/ec2-lab.ts"
import { type CloudGuest, GUEST_MAC, HOST_ADDRESS, keptText, startCloudGuest } from "./cloud-guest.ts"
import { openTestHome, type TestHome } from "./test-home.ts"

/** Fixed, since it is a part of the image. */
const GATEWAY_PORT = 43_128
let home: TestHome
let gateway: TlsGateway
let canary: Server
let canaryCalls = 0
let guest: CloudGuest
let hostKeys: Readonly<Record<SshUser, string>>
let identity: string
let imageDir: string
/** What is published: a GPT, the kernel image in its ESP, and the root. */
let disk: string

beforeAll(async () => {
  home = openTestHome("")
  const authority = JSON.parse(keptText("authority.json", () => JSON.stringify(makeAuthority(Date.now()))))
  const ssh = JSON.parse(keptText("ssh.json", () => JSON.stringify(mintSecrets([]).ssh)))
  identity = ssh.clientPrivateKey
  writeFileSync(join(home.root, "gateway-ca.pem"), authority.cert)
  writeFileSync(join(home.root, "site.toml"), renderSite(ssh.clientPublicKey))
  gateway = await openTlsGateway(authority.key, HOST_ADDRESS, GATEWAY_PORT, Date.now())
  canary = createServer((socket) => {
    canaryCalls += 1
    socket.end("reached\n")
  }).listen(0, "127.0.0.1")
  const built = await home.json(
    ["build", "base", "--profile", "ec2", "--site", join(home.root, "site.toml"), "--relock"],
    { timeoutMs: 800_000 },
  )
  imageDir = (built as { dir: string }).dir
  disk = join(home.root, "disk.raw")
  await home.must(["images", "export", "base-ec2", "--format", "raw", "-o", disk])
  guest = await startCloudGuest(disk, /stereo-host-key: root ssh-ed25519 \S+\s+\n/)
  const keyOf = (user: SshUser) => readHostKey(guest.console(), user, "the guest") ?? ""
  hostKeys = { agent: keyOf("agent"), root: keyOf("root") }
  expect(hostKeys.agent).toMatch(/^ssh-ed25519 /)
  expect(hostKeys.root).toMatch(/^ssh-ed25519 /)
})
afterAll(async () => {
  await guest?.[Symbol.asyncDispose]()
  canary?.close()
  await gateway?.[Symbol.asyncDispose]()
  await home[Symbol.asyncDispose]()
})

function renderSite(publicKey: string): string {
  return `[gateway]
address = "${HOST_ADDRESS}"
port = ${GATEWAY_PORT}
ca = "gateway-ca.pem"

[ssh]
keys = ["${publicKey.trim()}"]
allow = [{ net = "${HOST_ADDRESS}/32", why = "by which QEMU passes on what comes to the forwarded port" }]
`
}

/** `at`: on whose port and by whose host key, when not the user's own. */
async function run(user: SshUser, command: string, at: { port?: SshUser; key?: string } = {}) {
  const stdout = new PassThrough()
  const output = text(stdout)
  const code = await executeRemote({
    ...{ name: "the guest", address: "127.0.0.1", user },
    port: guest.sshPorts[at.port ?? user],
    hostPublicKey: at.key ?? hostKeys[at.port ?? user],
    credential: { privateKey: identity },
    command: ["sh", "-c", command],
    streams: { stdin: Readable.from([]), stdout, stderr: stdout, terminal: null },
    consoleHint: "its console is in the test's folder",
    signal: new AbortController().signal,
  }).finally(() => stdout.end())
  return { code, output: await output }
}

describe("an image for EC2, its published disk booted by UEFI firmware from NVMe with nothing but DHCP", () => {
  it("was started by the firmware from the disk's own kernel image, and has its root on that disk", async () => {
    const file = join(imageDir, "manifest.toml")
    const manifest = parseToml({ text: readFileSync(file, "utf8"), file, stage: "image" }, manifestShape)
    const look = "cat /proc/cmdline; ls /sys/firmware/efi; ls /sys/block/nvme0n1; ls /sys/block/dm-0/slaves"
    const { output } = await run("root", look)
    expect(output.split("\n")[0]).toBe(manifest.kernel.command_line)
    expect(output).toMatch(/^runtime-map$/m)
    expect(output).toMatch(/^nvme0n1p1\n[\s\S]*^nvme0n1p2\n[\s\S]*^nvme0n1p2$/m)
  })

  it("lets the site's key in, by the host key that its console shows, and nobody knows it by another", async () => {
    expect(await run("agent", "id -un; cat /proc/sys/kernel/hostname")).toEqual({
      code: 0,
      output: "agent\nstereo\n",
    })
    expect(await run("root", "ls /sys/block; ip -4 -o address show eth0")).toMatchObject({
      code: 0,
      output: expect.stringMatching(/nvme0n1[\s\S]*10\.0\.2\.15\/24/) as string,
    })
    const other = mintSecrets([]).ssh.hostPublicKey
    await expect(run("agent", "true", { key: other })).rejects.toMatchObject({ code: "exec/wrong-host-key" })
  })

  it("has the wall that is proven for its site, in its kernel as when it was built", async () => {
    const proof = await home.json(["egress", "verify", "base-ec2"])
    expect(proof).toMatchObject({ verdict: "proven", breaches: [], notProven: [] })
    const { output } = await run("root", "nft -j list ruleset")
    expect(canonicalRuleset(JSON.parse(output))).toBe(readFileSync(join(imageDir, "ruleset.json"), "utf8"))
  })

  it("an agent's request goes through the gateway, by TLS that the agent's client trusts", async () => {
    const { code, output } = await run(
      "agent",
      "for i in 1 2 3 4 5 6; do curl -sS -m 40 -d hello https://api.example.com/v1/x && break; sleep 3; done",
    )
    expect({ code, output }).toEqual({ code: 0, output: "the gateway saw POST api.example.com/v1/x\n" })
    expect(gateway.seen.at(-1)).toMatchObject({ body: "hello", headers: { ":authority": "api.example.com" } })
  })

  it("nothing else gets out, whoever tries: a witness saw every frame of the card", async () => {
    const address = canary.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const attempts = [
      `echo x >/dev/tcp/${HOST_ADDRESS}/${port}`,
      `echo x >/dev/tcp/${HOST_ADDRESS}/${GATEWAY_PORT}`,
      "echo x >/dev/tcp/169.254.169.254/8080",
      "echo x >/dev/udp/10.0.2.3/53",
      "echo x >/dev/udp/8.8.8.8/53",
      "curl -m 5 --noproxy '*' -s http://169.254.169.254/latest/meta-data/ >/dev/null",
      `curl -m 5 -s --interface eth0 http://${HOST_ADDRESS}:${port}/`,
    ]
    for (const user of ["agent", "root"] as const) {
      // bash has these two devices; sh does not
      const { output } = await run(
        user,
        attempts.map((one) => `timeout 8 bash -c '${one.replaceAll("'", "'\\''")}' 2>&1; :`).join("\n"),
      )
      expect(output).not.toContain("reached")
    }
    expect(canaryCalls).toBe(0)
    const sent = readPcap(guest.capture()).filter((frame) => readMac(frame) === GUEST_MAC)
    const kinds = new Set(sent.map(describeFrame))
    expect([...kinds].sort()).toEqual(
      [
        "ARP",
        "UDP 68 to 255.255.255.255:67",
        ...Object.values(SSH_PORTS).map((port) => `TCP ${port} to ${HOST_ADDRESS}`),
        `TCP to ${HOST_ADDRESS}:${GATEWAY_PORT}`,
      ].sort(),
    )
  })
})

describe("a session of the agent in it", () => {
  it("has no right and no way to one, a filter of system calls, and a control group with limits", async () => {
    // the unit's name has addresses and ports in it
    const group = "/sys/fs/cgroup$(cut -d: -f3- /proc/self/cgroup)"
    const { output } = await run(
      "agent",
      `cat /proc/self/status /proc/self/cgroup; cd ${group}; tail -v -n 9 memory.max memory.swap.max pids.max cpu.weight`,
    )
    for (const line of ["CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh"])
      expect(output).toMatch(new RegExp(`^${line}:\\s+0{16}$`, "m"))
    expect(output).toMatch(/^NoNewPrivs:\s+1$/m)
    expect(output).toMatch(/^Seccomp:\s+2$/m)
    expect(output).toMatch(/^0::\/stereo\.slice\/stereo-sessions\.slice\/stereo-session@\S+\.service$/m)
    const limit = (name: string) => new RegExp(`==> ${name} <==\n(\\w+)`).exec(output)?.[1]
    expect(Number(limit("memory.max"))).toBeGreaterThan(500_000_000)
    expect(["memory.swap.max", "pids.max", "cpu.weight"].map(limit)).toEqual(["0", "2048", "50"])
  })

  it("makes no namespaces of any kind", async () => {
    const kinds = ["-U", "-r", "-m", "-n", "-i", "-u", "-C", "-T", "-pf"]
    const { output } = await run("agent", kinds.map((kind) => `unshare ${kind} true 2>&1`).join("; "))
    expect(output.match(/failed: Operation not permitted/g)).toHaveLength(kinds.length)
  })

  it("shares its limits with no other, and none with root's", async () => {
    const groups = [await run("agent", "cat /proc/self/cgroup"), await run("agent", "cat /proc/self/cgroup")]
    expect(groups[0]?.output).not.toBe(groups[1]?.output)
    const { output } = await run(
      "root",
      "cat /proc/self/cgroup; grep -E '^(CapEff|NoNewPrivs):' /proc/self/status",
    )
    expect(output).toMatch(/stereo-root-session@[\s\S]*CapEff:\s+0*1ff[\s\S]*NoNewPrivs:\s+1/)
    expect(output).not.toContain("stereo-sessions.slice")
  })

  it("is no way to root: not by the agent's port, and root's host key is not to be read", async () => {
    await expect(run("root", "true", { port: "agent" })).rejects.toMatchObject({ code: "exec/refused" })
    await expect(run("agent", "true", { port: "root" })).rejects.toMatchObject({ code: "exec/refused" })
    const asOther = run("root", "true", { port: "root", key: hostKeys.agent })
    await expect(asOther).rejects.toMatchObject({ code: "exec/wrong-host-key" })
    const { output } = await run(
      "agent",
      "cd /run/stereo/ssh; stat -c '%n %U %G %a' *_key; for key in *_key; do test -r $key && echo $key; done; cat root_host_key",
    )
    expect(output.split("\n").slice(0, 4)).toEqual([
      "agent_host_key root agent 440",
      "root_host_key root agent 600",
      "agent_host_key",
      "cat: root_host_key: Permission denied",
    ])
    const ports = Object.values(SSH_PORTS).join(" ")
    const knock = `for port in ${ports}; do bash -c "echo x >/dev/tcp/127.0.0.1/$port" 2>&1; done`
    expect((await run("agent", knock)).output.match(/connect: Connection refused/g)).toHaveLength(2)
    const listen = `for port in ${ports}; do node -e 'require("net").createServer().on("error", (e) => console.log(e.code)).listen({ host: "127.0.0.1", port: +process.argv[1] })' $port; done`
    expect((await run("agent", listen)).output).toBe("EACCES\nEACCES\n")
  })

  it("sends away whoever does not log in, so that a flood cannot keep it out, nor root meanwhile", async () => {
    const ends: Promise<unknown>[] = []
    while (ends.length < 20) {
      const socket = connect(guest.sshPorts.agent, "127.0.0.1").on("error", () => socket.destroy())
      const end = once(socket, "close")
      ends.push(end)
      // one after the other: QEMU's forwarding loses those that come faster than it passes them on
      await Promise.race([once(socket, "data"), end])
      socket.resume()
    }
    const { output } = await run(
      "root",
      `ls -d ${SLICE}/stereo-session@* | wc -l; cat ${SLICE}/memory.current`,
    )
    const [sessions, bytes] = output.split("\n").map(Number)
    expect(sessions).toBeGreaterThan(0)
    expect(sessions).toBeLessThanOrEqual(32)
    expect(bytes).toBeLessThan(256_000_000)
    // nobody here lets go of a connection: it is sshd that does, after its LoginGraceTime
    await Promise.all(ends)
    expect(await run("agent", "id -un")).toEqual({ code: 0, output: "agent\n" })
    const states = await run(
      "root",
      "systemctl is-active stereo-session.socket stereo-root-session.socket; systemctl --failed --no-legend --plain",
    )
    expect(states.output).toBe("active\nactive\n")
  })
})

const SLICE = "/sys/fs/cgroup/stereo.slice/stereo-sessions.slice"

describe("an image for a site", () => {
  it("is built again without its site.toml, and is the same bytes", { timeout: 800_000 }, async () => {
    rmSync(join(home.root, "site.toml"))
    rmSync(join(home.root, "gateway-ca.pem"))
    const report = await home.json(["images", "rebuild", "base-ec2"], { timeoutMs: 800_000 })
    expect(report).toMatchObject({ same: true, name: "base-ec2", keptDir: null, lacking: null })
  })
})

describe("its disk, published", () => {
  it("is in the snapshot byte for byte, and a second run finds the AMI, but not for other keys", async () => {
    const aws = await openAws()
    await using _ = aws
    const cloud = ["--region", "eu-central-1", "--endpoint", aws.url, "--poll", "0.1"]
    const publish = (...more: string[]) =>
      home.json(["publish", "ec2", "base-ec2", ...cloud, ...more], { environment: FAKE_CREDENTIALS })
    const first = (await publish()) as PublishReport
    expect(first).toMatchObject({ created: true, blocks: { resumed: 0 } })
    aws.calls.length = 0
    const uefiData = join(home.root, "uefi-data")
    writeFileSync(uefiData, "QU1aTlVFRkk=\n")
    const foreseen = await publish("--dry-run", "--uefi-data", uefiData)
    // the snapshot is there, and the AMI is another
    expect(foreseen).toMatchObject({ imageId: null, calls: [{ call: "RegisterImage" }] })
    expect(writesOf(aws.calls)).toEqual([])
    expect(await publish()).toMatchObject({ created: false, imageId: first.imageId })
    await using lab = await openLab(aws)
    const blocks = await lab.readBack(first.snapshotId ?? "")
    const booted = readFileSync(disk)
    expect(joinBlocks(blocks, booted.length).equals(booted)).toBe(true)
  })
})

function readMac(frame: Buffer): string {
  return [...frame.subarray(6, 12)].map((byte) => byte.toString(16).padStart(2, "0")).join(":")
}

/** Ports as far as they tell kinds apart. */
function describeFrame(frame: Buffer): string {
  const type = frame.readUInt16BE(12)
  if (type === 0x0806) return "ARP"
  if (type !== 0x0800) return `type ${type.toString(16)}`
  const ip = frame.subarray(14)
  const segment = ip.subarray(((ip[0] ?? 0) & 15) * 4)
  const to = [...ip.subarray(16, 20)].join(".")
  const [from, port] = [segment.readUInt16BE(0), segment.readUInt16BE(2)]
  if (ip[9] === 17) return `UDP ${from} to ${to}:${port}`
  if (ip[9] !== 6) return `protocol ${ip[9]} to ${to}`
  return Object.values<number>(SSH_PORTS).includes(from) ? `TCP ${from} to ${to}` : `TCP to ${to}:${port}`
}
