import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { CAPTURE_PORTS } from "../../contract/wire.ts"
import { setOff, startArmed } from "./limited-session.ts"
import { openTestHome, type TestHome } from "./test-home.ts"

/** What a machine of the strict base really is, as its kernel tells it: compared with what the definition says. */
let home: TestHome
let plan: PlanJson

interface PlanJson {
  readonly profile: string
  readonly sysctls: readonly { readonly key: string; readonly value: string }[]
  readonly kernel: {
    readonly options: readonly { readonly text: string }[]
    readonly modules: readonly { readonly items: readonly string[] }[]
  }
  readonly session: {
    readonly tasks: { readonly max: number }
    readonly memory: { readonly percent: number }
  }
}

beforeAll(async () => {
  home = openTestHome("")
  plan = (await home.json(["plan", "base"])) as PlanJson
  await home.must(["up", "--image", "base", "--name", "hard"])
})
afterAll(() => home[Symbol.asyncDispose]())

/** Standard output of a shell command in the machine. */
async function ask(command: string, user: "agent" | "root" = "root"): Promise<string> {
  return (await home.must(["exec", "--user", user, "hard", "--", "sh", "-c", command])).stdout
}

const linesOf = (text: string) => text.split("\n").filter((line) => line !== "")

describe("the kernel of a strict machine", () => {
  it("has every setting of the definition, read back from /proc/sys", async () => {
    const paths = plan.sysctls.map(({ key }) => `/proc/sys/${key.replaceAll(".", "/")}`)
    const found = linesOf(
      await ask(`for f in ${paths.join(" ")}; do head -c 200 $f | tr -s '\\t\\n' ' '; echo; done`),
    )
    expect(paths.length).toBeGreaterThan(45)
    expect(found.map((line) => line.trim())).toEqual(plan.sysctls.map(({ value }) => value))
  })

  it("was started with the definition's command line, and nothing else", async () => {
    const words = (await ask("cat /proc/cmdline")).trim().split(" ")
    const options = plan.kernel.options.map(({ text }) => text)
    expect(words.filter((word) => !word.startsWith("stereo.root="))).toEqual(options)
    expect(words.filter((word) => word.startsWith("stereo.root="))).toHaveLength(1)
  })

  it("is locked down, under the promised security modules", async () => {
    const [lockdown, modules = ""] = linesOf(await ask("cd /sys/kernel/security; cat lockdown lsm"))
    expect(lockdown).toBe("none integrity [confidentiality]")
    expect(modules.split(",")).toEqual(expect.arrayContaining(["lockdown", "landlock", "yama"]))
  })

  it("has loaded the promised modules and what they need, and will load none", async () => {
    const promised = plan.kernel.modules.flatMap(({ items }) => items)
    const rows = linesOf(await ask("cat /proc/modules")).map((line) => line.split(" "))
    const loaded = rows.map(([name = ""]) => name)
    expect(loaded).toEqual(expect.arrayContaining(promised))
    // whatever was not asked for by name is used by something that was
    const unasked = rows.filter(([name = "", , , users = "-"]) => !promised.includes(name) && users === "-")
    expect(unasked).toEqual([])
    expect(await ask("cat /proc/sys/kernel/modules_disabled; find / -xdev -name '*.ko*' | wc -l")).toBe(
      "1\n0\n",
    )
  })
})

describe("the file systems of a strict machine", () => {
  it("are mounted as promised", async () => {
    const mounts = linesOf(await ask("cat /proc/1/mountinfo")).map((line) => {
      const [, , , , point = "", options = ""] = line.split(" ")
      const [type = "", , rest = ""] = line.slice(line.indexOf(" - ") + 3).split(" ")
      return { point, options: options.split(","), rest: [type, ...rest.split(",")] }
    })
    const found = new Map(mounts.map(({ point, options, rest }) => [point, new Set([...options, ...rest])]))
    const missing = Object.entries(PROMISED_MOUNTS).flatMap(([point, options]) =>
      options
        .split(" ")
        .filter((one) => !found.get(point)?.has(one))
        .map((one) => `${point}: ${one}`),
    )
    expect(missing).toEqual([])
    // and nothing that anybody may write allows devices or setuid bits
    const writable = mounts.filter(({ options }) => options.includes("rw"))
    expect(writable.filter(({ options }) => !options.includes("nosuid")).map(({ point }) => point)).toEqual(
      [],
    )
  })

  it("hold no file that raises rights, and none that everybody may write", async () => {
    const where = "/ /home/agent /tmp /var /run /dev/shm"
    expect(await ask(`find ${where} -xdev -type f -perm /6000`)).toBe("")
    expect(await ask(`find ${where} -xdev -not -type l -perm -0002 -not -perm -1000 -not -type s`)).toBe("")
  })

  it("let the agent write its home and the two folders for temporary files, and nothing else", async () => {
    const writable = linesOf(
      await ask(
        "find / \\( -path /proc -o -path /sys -o -path /dev \\) -prune -o -writable -not -type l -not -type s -print 2>/dev/null; true",
        "agent",
      ),
    )
    const outside = writable.filter((path) => !/^\/(?:home\/agent|tmp|var\/tmp)(?:\/|$)/.test(path))
    expect(outside).toEqual([])
    expect(writable).toContain("/home/agent")
  })

  it("show the agent its own processes only", async () => {
    const seen = linesOf(await ask("cat /proc/[0-9]*/status 2>/dev/null | grep ^Uid:", "agent"))
    expect(seen.length).toBeGreaterThan(0)
    expect(seen.filter((line) => !/^Uid:\s+1000\s/.test(line))).toEqual([])
  })
})

const PROMISED_MOUNTS: Readonly<Record<string, string>> = {
  "/": "erofs ro nosuid nodev",
  "/proc": "proc nosuid nodev noexec hidepid=invisible",
  "/sys": "sysfs nosuid nodev noexec",
  "/dev": "devtmpfs nosuid noexec",
  "/dev/shm": "tmpfs nosuid nodev noexec",
  "/run": "tmpfs nosuid nodev noexec",
  "/tmp": "tmpfs nosuid nodev",
  "/var": "tmpfs nosuid nodev noexec",
  "/home/agent": "ext4 nosuid nodev",
}

describe("what runs in a strict machine", () => {
  it("listens on no address but the proxy's, inside", async () => {
    const sockets = linesOf(await ask("cat /proc/net/tcp /proc/net/udp /proc/net/raw /proc/net/packet"))
    const bound = sockets.flatMap((line) => {
      const [, local = "", , state] = line.trim().split(/\s+/)
      const [address = "", port = ""] = local.split(":")
      return (state === "0A" || state === "07") && port !== ""
        ? [`${address}:${Number.parseInt(port, 16)}`]
        : []
    })
    const expected = [...Object.values(CAPTURE_PORTS), CAPTURE_PORTS.dns].map((port) => `0100007F:${port}`)
    expect(bound.sort()).toEqual(expected.sort())
    expect(await ask("cat /proc/net/packet | tail -n +2; ls /proc/net/tcp6 2>/dev/null; true")).toBe("")
  })

  it("has the capabilities that its unit names, and no process more", async () => {
    const printed = await ask(
      'for p in /proc/[0-9]*; do grep -qs stereo-root-session $p/cgroup || [ -z "$(readlink $p/exe)" ] || echo "$(tr "\\0" " " <$p/cmdline | cut -c1-60)|$(grep -E "^(CapEff|CapBnd|Seccomp):" $p/status | tr -s "\\t\\n" " ")"; done; true',
    )
    const rows = linesOf(printed).map((line) => {
      const [command = "", status = ""] = line.split("|")
      const field = (name: string) => new RegExp(`${name}: (\\w+)`).exec(status)?.[1] ?? ""
      const effective = BigInt(`0x${field("CapEff")}`)
      return {
        command: command.trim(),
        effective,
        bounds: BigInt(`0x${field("CapBnd")}`),
        seccomp: field("Seccomp"),
      }
    })
    const named = rows.flatMap(({ command, ...rest }) => {
      const known = Object.entries(CAPABILITIES).find(([begins]) => command.startsWith(begins))
      return known ? [{ command: known[0], ...rest }] : []
    })
    expect(new Set(named.map(({ command }) => command))).toEqual(new Set(Object.keys(CAPABILITIES)))
    for (const { command, effective, bounds, seccomp } of named) {
      const allowed = CAPABILITIES[command] ?? []
      const bits = allowed.reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n)
      expect({ command, effective, bounds, seccomp }).toEqual({
        command,
        effective: bits,
        bounds: bits,
        seccomp: "2",
      })
    }
    // besides: systemd itself and its journal, and nobody else
    const others = rows.filter(({ command }) => !named.some((one) => command.startsWith(one.command)))
    expect(
      others.filter(({ effective }) => effective !== 0n).map(({ command }) => command.split(" ")[0]),
    ).toEqual(["/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd-journald"])
  })
})

/** By how a command begins, the numbers of linux/capability.h. */
const CAPABILITIES: Readonly<Record<string, readonly number[]>> = {
  // CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE: to see whose socket it is
  "/usr/bin/node --jitless /usr/lib/stereo/agent.mjs": [2, 19],
  // CAP_NET_BIND_SERVICE
  "/usr/bin/node /usr/lib/stereo/capture.mjs": [10],
  // CAP_NET_ADMIN
  "/usr/sbin/nft -j monitor": [12],
}

describe("a session of the agent", () => {
  it("has no capability, no way to one, a filter of system calls, and a control group of its own", async () => {
    const status = await ask("cat /proc/self/status /proc/self/cgroup", "agent")
    for (const line of ["CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh"]) {
      expect(status).toMatch(new RegExp(`^${line}:\\s+0{16}$`, "m"))
    }
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m)
    expect(status).toMatch(/^Seccomp:\s+2$/m)
    expect(status).toMatch(/^0::\/stereo\.slice\/stereo-sessions\.slice\/stereo-session@\S+\.service$/m)
  })

  it("makes no namespaces of any kind", async () => {
    const kinds = ["-U", "-r", "-m", "-n", "-i", "-u", "-C", "-T", "-pf"]
    const command = kinds.map((kind) => `unshare ${kind} true 2>/dev/null; echo $?`).join("; ")
    expect(linesOf(await ask(command, "agent"))).toEqual(kinds.map(() => "1"))
  })

  it("has its processes counted: a bomb of them stops at the limit, and whatever else runs goes on", async () => {
    const before = await ask(PIDS_OF_STEREO)
    expect(await ask("cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/pids.max", "agent")).toBe(
      `${plan.session.tasks.max}\n`,
    )
    const bomb = startArmed(
      home,
      "hard",
      "for i in $(seq 200); do sleep 300 >/dev/null 2>&1 & done; echo all",
    )
    const group = await setOff(home, "hard", "pids.max", "60")
    const { code, stdout, stderr } = await bomb
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toContain("Cannot fork")
    const told = await ask(`cd ${group}; cat pids.peak; cut -d' ' -f2 pids.events; echo 1 >cgroup.kill`)
    const [peak, refused] = linesOf(told).map(Number)
    expect(peak).toBeLessThanOrEqual(60)
    expect(refused).toBeGreaterThan(0)
    expect(await ask(PIDS_OF_STEREO)).toBe(before)
  })

  it("is ended alone when it takes more memory than it may, with stereo's own programs untouched", async () => {
    const before = await ask(PIDS_OF_STEREO)
    const [limit, total] = linesOf(
      await ask(
        "cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.max; free -b | awk '/Mem/ { print $2 }'",
        "agent",
      ),
    ).map(Number)
    expect(Math.round((100 * (limit ?? 0)) / (total ?? 0))).toBe(plan.session.memory.percent)
    const hog = startArmed(
      home,
      "hard",
      "bash -c 'head -c 500M /dev/zero | tail -c 400M >/dev/null; echo ended with $?' 2>/dev/null; echo the session lives",
    )
    const group = await setOff(home, "hard", "memory.max", "100M")
    expect((await hog).stdout).toMatch(/ended with 137\nthe session lives/)
    const events = await ask(`cat ${SESSIONS}/memory.events ${group}/memory.events 2>/dev/null; true`)
    expect(events).toMatch(/^oom_kill [1-9]/m)
    expect(await ask(PIDS_OF_STEREO)).toBe(before)
  })
})

const SESSIONS = "/sys/fs/cgroup/stereo.slice/stereo-sessions.slice"

/** A program that was started anew has another. */
const PIDS_OF_STEREO = "systemctl show -P MainPID stereo-agent.service stereo-capture.service | grep ."
