/** `make khc KHC=FOLDER`: kernel-hardening-checker on the command line and the settings of a booted machine of the strict base. */

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"
import { Fault } from "../../contract/fault.ts"
import { homeLayout } from "../../contract/home.ts"
import { openTestHome, sharedHome, type TestHome } from "../e2e/test-home.ts"
import { findChecker } from "./find-checker.ts"
import { readResults } from "./read-results.ts"

const MACHINE = "khc"

const dir = mkdtempSync(join(tmpdir(), "stereo-khc-"))
try {
  const checker = findChecker(process.argv[2])
  await using home = openTestHome("")
  await home.watch(["setup", "--relock"])
  await home.watch(["build", "base", "--relock"])
  await home.watch(["up", "--image", "base", "--name", MACHINE])
  const cmdline = await readGuest(home, "cmdline", "cat /proc/cmdline")
  const sysctl = await readGuest(home, "sysctl", "sysctl -a 2>/dev/null")
  const release = await readGuest(home, "release", "uname -r")
  const config = await readKernelConfig(release.text.trim())
  // it decides by the kernel's architecture, which it reads there; how it was compiled is Debian's to answer
  const options = ["-m", "json", "-c", config, "-l", cmdline.file, "-s", sysctl.file]
  const { stdout } = await execa("python3", [checker, ...options])
  const { kconfig, ...ours } = readResults(stdout)
  for (const [kind, { ok, failed, failures }] of Object.entries(ours)) {
    process.stdout.write(
      `${kind}: ${ok} OK, ${failed} FAIL\n${failures.map((line) => `  ${line}\n`).join("")}`,
    )
  }
  process.stdout.write(`kconfig, as Debian compiled it: ${kconfig.ok} OK of ${kconfig.ok + kconfig.failed}\n`)
  if (ours.cmdline.failed + ours.sysctl.failed > 0) process.exitCode = 1
} catch (thrown) {
  if (!(thrown instanceof Fault)) throw thrown
  process.stderr.write(`${thrown.code}: ${thrown.message}\n${thrown.hint ? `  hint: ${thrown.hint}\n` : ""}`)
  process.exitCode = 2
} finally {
  rmSync(dir, { recursive: true, force: true })
}

async function readGuest(home: TestHome, name: string, command: string) {
  const { stdout: text } = await home.must(["exec", "--user", "root", MACHINE, "--", "sh", "-c", command])
  const file = join(dir, name)
  writeFileSync(file, text)
  return { file, text }
}

/** Debian's package of the kernel has it; the image has not, the tree of the build that the image was made of has. */
async function readKernelConfig(release: string): Promise<string> {
  const trees = join(homeLayout(sharedHome).cache, "rootfs-boot")
  const member = `./boot/config-${release}`
  const file = join(dir, `config-${release}`)
  for (const tree of readdirSync(trees)) {
    const tar = join(trees, tree, "tree.tar")
    const { stdout, exitCode } = await execa("tar", ["-xOf", tar, member], { reject: false })
    if (exitCode !== 0) continue
    writeFileSync(file, `${stdout}\n`)
    return file
  }
  throw new Fault("khc/no-config", `no tree in ${trees} has ${member}`, {
    hint: "stereo build base makes it; an image that was pulled has none",
  })
}
