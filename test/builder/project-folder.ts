/** A small project of a test's own: images, templates and a package-lock, in a folder that goes with the test. */

import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

export interface TestFolder extends Disposable {
  readonly dir: string
  write(path: string, content: string | Buffer, mode?: number): string
}

export function openFolder(files: Readonly<Record<string, string | Buffer>> = {}): TestFolder {
  const dir = mkdtempSync(join(tmpdir(), "stereo-builder-"))
  const write = (path: string, content: string | Buffer, mode = 0o644) => {
    const file = join(dir, path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    chmodSync(file, mode)
    return file
  }
  for (const [path, content] of Object.entries(files)) write(path, content)
  return { dir, write, [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }) }
}

/** The least that an image which extends nothing must say. */
export const ROOT_IMAGE = `name = "root"
description = "an image of a test"

[debian]
suite = "trixie"
packages = ["bash"]

[boot]
packages = ["linux-image-cloud-amd64"]

[[user]]
name = "root"
uid = 0
gid = 0
home = "/root"
shell = "/bin/bash"
why = "systemd and the guest agent"

[[user]]
name = "agent"
uid = 1000
gid = 1000
home = "/home/agent"
why = "whoever works in the machine"

[root.compression]
method = "lz4hc"
why = "tests have no time to lose"

[resources]
cpus = 1
memory_mib = 256
disk_mib = 16
`

/** What each project needs under images/profiles/strict. */
export const STRICT = `name = "strict"
description = "the hardening list of a test"

[[kernel.options]]
text = "slab_nomerge"
why = "a setting of a test"
source = "kspp"

[[kernel.options]]
text = "lockdown=confidentiality"
why = "a setting of a test"
source = "kspp"

[[sysctl]]
key = "kernel.sysrq"
value = "0"
why = "a setting of a test"
source = "a13xp0p0v"

[[sysctl]]
key = "kernel.kptr_restrict"
value = "2"
why = "a setting of a test"
source = "kspp"

[session]
memory = { percent = 75, why = "a limit of a test" }
tasks = { max = 100, why = "a limit of a test" }
cpu = { weight = 50, why = "a limit of a test" }
io = { weight = 50, why = "a limit of a test" }
`

export const NO_LOCK = JSON.stringify({ packages: {} })
