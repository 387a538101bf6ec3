import { spawnSync } from "node:child_process"
import { realpathSync, symlinkSync } from "node:fs"
import { basename, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openTestHome, projectDir, sharedHome, type TestHome } from "./test-home.ts"

/** A machine of the profile debug: what an engineer is promised to look into it with. */
const MACHINE = "looked-into"
let home: TestHome
let announced: string

beforeAll(async () => {
  home = openTestHome("", undefined, ["tools", "cache"])
  const built = spawnSync(join(projectDir, "stereo"), ["build", "base", "--profile", "debug", "--relock"], {
    env: { ...process.env, STEREO_HOME: home.root },
    stdio: ["ignore", "inherit", "inherit"],
  })
  expect(built.status).toBe(0)
  announced = (await home.must(["up", "--image", "base-debug", "--name", MACHINE])).stderr
})
afterAll(() => home?.[Symbol.asyncDispose]())

/** What a shell command says on both streams. */
async function ask(command: string, user: "agent" | "root" = "agent"): Promise<string> {
  const args = ["exec", "--user", user, MACHINE, "--", "sh", "-c", `{ ${command}\n} 2>&1`]
  return (await home.must(args)).stdout
}

it("says at its start that it is less locked down, and by what", () => {
  expect(announced).toContain("base-debug is of the profile debug")
  expect(announced).toContain("images/profiles/debug/image.toml")
})

it("has the agent trace and debug its own programs, those that run already too", async () => {
  expect(await ask("strace -f true")).toMatch(/^execve\(.*\n[\s\S]*\+\+\+ exited with 0 \+\+\+\n$/)
  expect(await ask("gdb -batch -ex run -ex bt true; true")).toMatch(/exited normally\]\nNo stack\.\n$/)
  const attached = await ask("sleep 60 & gdb -batch -ex bt -p $!; kill $!")
  expect(attached).toMatch(/^#\d+ .*nanosleep/m)
})

it("keeps the memory of what failed, and gdb opens it", async () => {
  const look = "sh -c 'kill -SEGV $$'; set -- /var/tmp/core.sh.*; gdb -batch -ex bt /bin/sh $1"
  expect(await ask(look)).toMatch(/terminated with signal SIGSEGV[\s\S]*^#0 /m)
})

it("shows the agent the kernel's log, and root packets, files and what drivers tell", async () => {
  expect(await ask("dmesg | head -n 1")).toMatch(/Linux version/)
  expect(await ask("cat /sys/kernel/security/lockdown", "root")).toBe("none [integrity] confidentiality\n")
  const seen = "tcpdump -n -i any -c 1 tcp port 7 & sleep 3; echo >/dev/tcp/127.0.0.1/7; wait"
  expect(await ask(`bash -c '${seen}'`, "root")).toMatch(/127\.0\.0\.1\.7: Flags \[S\]/)
  expect(await ask("lsof -p 1 | grep -c .", "root")).toMatch(/^[1-9]\d+\n$/)
})

it("has the same wall, and what its units say on the console", async () => {
  expect(await home.json(["egress", "verify", MACHINE])).toMatchObject({ verdict: "proven", breaches: [] })
  expect((await home.must(["logs", MACHINE])).stdout).toMatch(/Started stereo-session@/)
})

describe("images diff", () => {
  /** Beside base-debug, which this home built itself, those of all tests. */
  beforeAll(() => {
    for (const name of ["base", "coder"]) {
      const dir = realpathSync(join(sharedHome, "images/by-name", name))
      symlinkSync(dir, join(home.root, "images/by-digest", basename(dir)))
      symlinkSync(join("../by-digest", basename(dir)), join(home.root, "images/by-name", name))
    }
  })

  async function diff(before: string, after: string) {
    const { code, stdout } = await home.stereo(["images", "diff", before, after, "--json"])
    return { code, found: JSON.parse(stdout) }
  }

  it("finds in what debug differs from strict, and that it opens nothing", async () => {
    const { code, found } = await diff("base", "base-debug")
    expect(code).toBe(2)
    expect(found.settings).toEqual([{ what: "profile", before: "strict", after: "debug" }])
    expect(found.sysctls).toContainEqual({ what: "kernel.yama.ptrace_scope", before: "3", after: "0" })
    const lockdown = { what: "lockdown", before: "confidentiality", after: "integrity" }
    expect(found.kernelOptions).toContainEqual(lockdown)
    const [unit] = found.units
    expect(unit).toMatchObject({
      what: expect.stringMatching(/stereo-session@\.service\.d\/60-debug\.conf$/),
    })
    const ids = found.users.map(({ what }: { what: string }) => what)
    expect(ids).toEqual(["group tcpdump", "user tcpdump"])
    expect(found.egress).toMatchObject({ opens: false, wall: { kind: "same" } })
  })

  it("finds which packages and which way out an image has more than the one that it extends", async () => {
    const { code, found } = await diff("base", "coder")
    expect(code).toBe(2)
    const packages = found.packages.map(({ what, before }: { what: string; before?: string }) => [
      what,
      before,
    ])
    expect(packages).toContainEqual(["deb:ripgrep", undefined])
    expect(packages).toContainEqual(["npm:@anthropic-ai/claude-code-linux-x64", undefined])
    expect([found.units, found.sysctls, found.kernelOptions, found.users]).toEqual([[], [], [], []])
    expect(found.egress.opens).toBe(true)
    const hosts = found.egress.policy.opens.flatMap((opening: { hosts: string[] }) => opening.hosts)
    expect(hosts).toContain("api.anthropic.com")
  })

  it("finds nothing between an image and itself, and ends with 0", async () => {
    const same = await home.must(["images", "diff", "base", "base"])
    expect(same.stdout).toMatch(/^base and base are the same image, [0-9a-f]{12}\n$/)
  })
})
