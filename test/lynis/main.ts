/** `make lynis`: Debian trixie's Lynis in a booted machine of the strict base; prints its score and what it suggests. */

import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { execa } from "execa"
import { openTestHome } from "../e2e/test-home.ts"
import { openTree } from "../trees/open-tree.ts"

const MACHINE = "lynis"
/** Under TCG a run takes some minutes. */
const LONGEST_MS = 1_800_000

const dir = mkdtempSync(join(tmpdir(), "stereo-lynis-"))
try {
  const archive = await packLynis(await openTree("lynis", ["lynis"]))
  await using home = openTestHome("")
  await home.watch(["up", "--image", "base", "--name", MACHINE])
  const exec = ["exec", "--user", "root", MACHINE, "--", "sh", "-c"]
  await home.must([...exec, "cd /tmp && tar -xzf - && chown -R 0:0 lynis"], { input: archive })
  const command =
    "cd /tmp/lynis && sh ./lynis audit system --usecwd --quick --no-colors --plugindir ./plugins"
  const { stdout } = await home.must([...exec, `${command} --profile ./default.prf 2>&1`], {
    timeoutMs: LONGEST_MS,
  })
  const told = stdout.split("\n").filter((line) => /^ {2}[*!] |Hardening index|Tests performed/.test(line))
  process.stdout.write(`${told.join("\n")}\n`)
} finally {
  rmSync(dir, { recursive: true, force: true })
}

/** It runs from one folder, as from its own archive: nothing is installed in the machine. */
async function packLynis(tree: string): Promise<Buffer> {
  const to = join(dir, "lynis")
  mkdirSync(to)
  for (const part of ["usr/share/lynis/include", "usr/share/lynis/db", "etc/lynis/plugins"]) {
    cpSync(join(tree, part), join(to, part.split("/").at(-1) ?? ""), { recursive: true })
  }
  for (const file of ["usr/sbin/lynis", "etc/lynis/default.prf"]) {
    cpSync(join(tree, file), join(to, file.split("/").at(-1) ?? ""))
  }
  const { stdout } = await execa("tar", ["-czf", "-", "-C", dir, "lynis"], { encoding: "buffer" })
  return Buffer.from(stdout)
}
