import { spawnSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { GATEWAY, GUEST_USERS } from "../../contract/wire.ts"
import { setOff, startArmed } from "./limited-session.ts"
import { openScratchProject, type ScratchProject } from "./scratch-project.ts"
import { openTestHome, type TestHome } from "./test-home.ts"

/** An image that asks for user namespaces: its agent makes sandboxes, and is in none of them more than it was. */
const MACHINE = "nest"
const MOST = 8
const DEFINITION = `name = "nested"
description = "base, whose agent makes namespaces"
extends = "base"

[session.user_namespaces]
max = ${MOST}
why = "the sandbox of a browser"
`
let home: TestHome
let project: ScratchProject
let report: BuildJson

interface BuildJson {
  readonly gates: {
    readonly exposures: readonly { readonly unit: string; readonly tenths: number }[]
    readonly exceptions: readonly { readonly what: string; readonly why: string }[]
  }
}

beforeAll(async () => {
  home = openTestHome("", undefined, ["tools", "cache"])
  project = openScratchProject()
  mkdirSync(join(project.dir, "images/nested"))
  writeFileSync(join(project.dir, "images/nested/image.toml"), DEFINITION)
  const built = spawnSync(join(project.dir, "stereo"), ["build", "nested", "--relock", "--json"], {
    env: { ...process.env, STEREO_HOME: home.root },
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  })
  expect(built.status).toBe(0)
  report = JSON.parse(built.stdout) as BuildJson
  await home.must(["up", "--image", "nested", "--name", MACHINE])
})
afterAll(async () => {
  await home?.[Symbol.asyncDispose]()
  project?.[Symbol.dispose]()
})

/** What a shell command says on both streams. */
async function ask(command: string, user: "agent" | "root" = "agent"): Promise<string> {
  const args = ["exec", "--user", user, MACHINE, "--", "sh", "-c", `{ ${command}\n} 2>&1`]
  return (await home.must(args)).stdout
}

const linesOf = (text: string) => text.split("\n").filter((line) => line !== "")

describe("an image with [session.user_namespaces]", () => {
  it("passes the gate by an allowance for the sessions alone, with its own reason", () => {
    const { exposures, exceptions } = report.gates
    const session = exposures.find(({ unit }) => unit === "stereo-session@.service")
    expect(session?.tenths).toBeGreaterThan(15)
    expect(session?.tenths).toBeLessThanOrEqual(35)
    expect(exceptions.filter(({ what }) => what.includes("stereo-session@"))).toEqual([
      { what: "exposure to 3.5: stereo-session@.service", why: "the sandbox of a browser" },
    ])
  })

  it("lets the agent be root of users, files, processes, network and root folder of its own", async () => {
    expect(await ask("unshare -Urmpf sh -c 'id -u'")).toBe("0\n")
    expect(await ask("unshare -Urmpf --mount-proc sh -c 'echo $$; cat /proc/self/uid_map'")).toMatch(
      new RegExp(`^1\\n\\s+0\\s+${GUEST_USERS.agent.uid}\\s+1\\n$`),
    )
    expect(await ask("unshare -Ur --root=/usr /bin/true; unshare -UrniuC id -u")).toMatch(/^0\n$/)
  })

  it("lets it make no more of them than it says, and none of another kind outside of one", async () => {
    const tries = `for i in $(seq ${MOST + 4}); do unshare -Ur sleep 15 2>/dev/null || echo refused & done; wait`
    expect(linesOf(await ask(tries))).toEqual(Array.from({ length: 4 }, () => "refused"))
    const kinds = ["-m", "-n", "-i", "-u", "-C", "-T", "-pf"]
    const outside = kinds.map((kind) => `unshare ${kind} true 2>/dev/null; echo $?`).join("; ")
    expect(linesOf(await ask(outside))).toEqual(kinds.map(() => "1"))
    // the number in a namespace is its own, and raises none of the machine's
    expect(await ask("unshare -Ur sh -c 'echo 1000 >/proc/sys/user/max_user_namespaces'")).toBe("")
    expect(await ask("cat /proc/sys/user/max_user_namespaces", "root")).toBe(`${MOST}\n`)
  })
})

/** What its mode lets anybody write: it counts in the writer's own namespaces, or tells of the writer's own session. */
const OWN = [
  /^\/proc\/sys\/user\//,
  /^\/proc\/sys\/kernel\/ns_last_pid$/,
  /^\/sys\/fs\/cgroup\/stereo\.slice\/stereo-sessions\.slice\/stereo-session@[^/]+\/memory\.pressure$/,
]

describe("root of such a namespace", () => {
  it("writes no setting of the kernel and no control group, and reads neither its log nor root's files", async () => {
    const settings = linesOf(await ask("find /proc/sys -type f -not -path '/proc/sys/user/*'"))
    expect(settings.length).toBeGreaterThan(300)
    const tries = "for f in $(find /proc/sys /sys -type f 2>/dev/null); do [ -w $f ] && echo $f; done; true"
    const writable = linesOf(await ask(`unshare -Urm sh -c '${tries}'`))
    expect(writable.filter((path) => !OWN.some((own) => own.test(path)))).toEqual([])
    for (const attempt of [
      "echo x >/proc/sys/kernel/core_pattern",
      "echo 1 >/proc/sys/kernel/ns_last_pid",
      "mkdir /sys/fs/cgroup/x",
      "echo $$ >/sys/fs/cgroup/cgroup.procs",
      "dmesg",
      "cat /etc/shadow",
      "ls /root",
    ]) {
      expect(await ask(`unshare -Urm sh -c '${attempt} && echo DONE'; true`)).toMatch(
        // dash says of every write that is refused that it is an I/O error
        /(?:Permission denied|Operation not permitted|I\/O error)\n$/,
      )
    }
  })

  it("mounts for itself alone: whoever is outside sees the machine's files", async () => {
    const inside = ask(
      "unshare -Urmpf --mount-proc=/etc sh -c 'touch /tmp/in; until [ -e /tmp/out ]; do sleep 0.2; done; cat /etc/1/comm; cat /etc/passwd'; rm /tmp/in",
    )
    const look = "until [ -e /tmp/in ]; do sleep 0.2; done; cat /etc/passwd"
    const [byRoot, byAgent] = [await ask(look, "root"), await ask(look)]
    await ask("touch /tmp/out")
    expect(byRoot).toMatch(/^agent:/m)
    expect(byAgent).toBe(byRoot)
    expect(await inside).toMatch(/^sh\n.*\/etc\/passwd: No such file/)
  })

  it("sees nothing of the packet filter, with a network of its own or without", async () => {
    for (const kinds of ["-Ur", "-Urn"]) {
      const printed = await ask(`unshare ${kinds} /usr/sbin/nft list ruleset; true`)
      expect(printed).toContain("Address family not supported")
      expect(printed).not.toContain("table")
    }
  })

  it("reaches nothing by a network of its own, and by the machine's what the agent reaches", async () => {
    const connect = `node -e 'require("net").connect(${GATEWAY.port}, "${GATEWAY.address}").on("error", (e) => console.log(e.code)).on("connect", () => console.log("DONE"))'`
    const status = "curl -sS -m 20 -o /dev/null -w '%{http_code}' http://example.com/"
    expect(await ask(`unshare -Urn sh -c 'tail -n +3 /proc/net/dev | cut -d: -f1'`)).toMatch(/^\s*lo\n$/)
    expect(await ask(`unshare -Urn ${connect}`)).toBe("ENETUNREACH\n")
    expect(await ask(`unshare -Urn ${status}; true`)).toMatch(/Could not resolve host/)
    expect(await ask(`unshare -Ur ${status}`)).toBe(await ask(status))
    // who calls itself the capture proxy in a namespace is the agent to the packet filter
    const { uid } = GUEST_USERS.capture
    const asCapture = `unshare -U --map-user=${uid} --map-group=${uid}`
    expect(await ask(`${asCapture} sh -c 'id -u'; ${asCapture} ${connect}`)).toBe(`${uid}\nECONNREFUSED\n`)
  })

  it("is held by the limits of its session: processes and memory", async () => {
    const bomb = startArmed(
      home,
      MACHINE,
      "unshare -Urpf sh -c 'for i in $(seq 200); do sleep 300 >/dev/null 2>&1 & done; echo all'",
    )
    await setOff(home, MACHINE, "pids.max", "60")
    expect(await bomb).toMatchObject({ stdout: "", stderr: expect.stringContaining("Cannot fork") })
    const hog = startArmed(
      home,
      MACHINE,
      "unshare -Urmpf sh -c 'head -c 500M /dev/zero | tail -c 400M >/dev/null; echo ended with $?'; echo the session lives",
    )
    const group = await setOff(home, MACHINE, "memory.max", "100M")
    expect((await hog).stdout).toMatch(/ended with 137\nthe session lives/)
    expect(group).toContain("stereo-session@")
  })

  it("leaves the wall as it was: proven, and the machine what its image says", async () => {
    expect(await home.json(["egress", "verify", MACHINE])).toMatchObject({
      verdict: "proven",
      breaches: [],
      notProven: [],
    })
    expect((await home.must(["ls"])).stdout).toMatch(new RegExp(`^${MACHINE} +running +yes `, "m"))
  })
})
