/** Runs stereo where as much as can be is otherwise: folder, home, host name, user, umask, time zone, language, clock and network. */

import { execFileSync, spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { projectDir } from "../e2e/test-home.ts"
import { openTree } from "../trees/open-tree.ts"

export interface OtherSurroundings extends Disposable {
  /** What is other than here, in words. */
  readonly differences: readonly string[]
  readonly home: string
  /** A copy of this project, which may be changed. */
  readonly project: string
  /** Runs a command there; its standard error goes to this one's. */
  run(command: readonly string[]): Promise<{ code: number | null; stdout: string }>
  /** The same with `stereo ARGS`. */
  stereo(args: readonly string[]): Promise<{ code: number | null; stdout: string }>
}

const LIBRARY = "usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
/** Half past two at night in a spring when clocks are put forward, years from now. */
const CLOCK = "@2031-03-30 02:30:00"
const USER = 4242
/** Debian's releases whose libfaketime fits the host's own programs. */
const HOSTS = ["bookworm", "trixie"]

/** `share`: folders of the home that are those of another home. */
export async function openOtherSurroundings(
  share: Readonly<Record<string, string>>,
): Promise<OtherSurroundings> {
  const root = mkdtempSync(join(tmpdir(), "stereo elsewhere-"))
  const project = join(root, "a project of another name")
  const home = join(root, "home")
  // without --preserve, and with the umask below: no mode is as it was
  execFileSync(
    "sh",
    [
      "-c",
      `umask 077 && mkdir "$1" && tar -c --exclude=./node_modules --exclude=./.git --exclude=./coverage . | tar -x --no-same-permissions -C "$1"`,
      "sh",
      project,
    ],
    { cwd: projectDir },
  )
  symlinkSync(join(projectDir, "node_modules"), join(project, "node_modules"))
  mkdirSync(join(home, "cache"), { recursive: true })
  for (const [name, target] of Object.entries(share)) symlinkSync(target, join(home, name))
  const clock = await openClock(root)
  const environment = {
    ...{ PATH: `${join(root, "bin")}:${process.env["PATH"] ?? ""}`, STEREO_HOME: home },
    ...{ HOME: root, USER: "somebody", LOGNAME: "somebody", HOSTNAME: "elsewhere" },
    ...{ TZ: "Nowhere-13:45", LANG: "tr_TR.UTF-8", LC_ALL: "tr_TR.UTF-8", TERM: "vt52" },
    ...clock.environment,
  }
  return {
    home,
    project,
    differences: [
      `project in ${JSON.stringify(project)}, STEREO_HOME in ${JSON.stringify(home)}`,
      `host name elsewhere, user and group ${USER}, umask 077`,
      "no network but a loopback that is down",
      "time zone 13:45 east, Turkish, where the capital of i is no I",
      clock.difference,
    ],
    run: (command) => run(command, environment),
    stereo: (args) => run([join(project, "stereo"), ...args], environment),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  }
}

/** Another clock for the host's programs, and by way of a bwrap of its own for those of the tools tree. */
async function openClock(root: string): Promise<{ environment: Record<string, string>; difference: string }> {
  const release = /^VERSION_CODENAME=(.+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? ""
  const bwrap = execFileSync("sh", ["-c", "command -v bwrap"], { encoding: "utf8" }).trim()
  const inside = join(await openTree("faketime", ["faketime"]), LIBRARY)
  mkdirSync(join(root, "bin"))
  writeFileSync(join(root, "bin", "bwrap"), renderBwrap(bwrap, inside), { mode: 0o755 })
  if (!HOSTS.includes(release)) {
    const difference = `the tools tree's clock at ${CLOCK.slice(1)}; the host's as it is: no libfaketime for ${release}`
    return { environment: {}, difference }
  }
  const library = join(await openTree("faketime", ["faketime"], release), LIBRARY)
  if (!existsSync(library)) throw new Error(`there is no ${library}`)
  const environment = { LD_PRELOAD: library, ...CLOCK_VARIABLES }
  return { environment, difference: `clocks at ${CLOCK.slice(1)}, on the host and in the tools tree` }
}

/** Timers go by the monotonic clock, and caches by the times of files: neither may stand still. */
const CLOCK_VARIABLES = { FAKETIME: CLOCK, FAKETIME_DONT_FAKE_MONOTONIC: "1", NO_FAKE_STAT: "1" }

/** bubblewrap with the library put before the `--` that ends its own arguments. */
function renderBwrap(bwrap: string, library: string): string {
  const variables = Object.entries({ LD_PRELOAD: "/faketime.so", ...CLOCK_VARIABLES })
  const options = variables.map(([name, value]) => `--setenv ${name} '${value}'`).join(" ")
  return `#!/bin/sh
# bwrap's own options end at the first --
unset LD_PRELOAD
seen=
count=$#
while [ "$count" -gt 0 ]; do
  if [ -z "$seen" ] && [ "$1" = -- ]; then
    set -- "$@" --ro-bind '${library}' /faketime.so ${options}
    seen=yes
  fi
  set -- "$@" "$1"
  shift
  count=$((count - 1))
done
exec '${bwrap}' "$@"
`
}

/** In namespaces of their own: of host names, of a network with no way out, and of users where this one has another number. */
function run(
  words: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<{ code: number | null; stdout: string }> {
  const script = `hostname elsewhere && umask 077 && exec unshare --user --map-user=${USER} --map-group=${USER} -- "$@"`
  const command = ["--user", "--map-root-user", "--uts", "--net", "--", "sh", "-c", script, "sh", ...words]
  const child = spawn("unshare", command, { env, stdio: ["ignore", "pipe", "inherit"] })
  const stdout: Buffer[] = []
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk))
  return new Promise((resolve, reject) => {
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, stdout: Buffer.concat(stdout).toString() }))
  })
}
