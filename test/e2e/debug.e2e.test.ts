import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"
import { openTestHome, projectDir, type TestHome } from "./test-home.ts"

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
