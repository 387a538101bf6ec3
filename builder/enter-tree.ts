/** Opens a shell in the tree of an image as a stage of its build left it: in a copy, confined, and gone afterwards. */

import { existsSync } from "node:fs"
import { mkdir, readdir, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { Fault, reasonOf } from "../contract/fault.ts"
import { storedName } from "../contract/image-name.ts"
import { openBuildLock } from "./build-lock.ts"
import { type BuildTarget, shellCommand } from "./build-target.ts"
import { sealImage } from "./make-artifact.ts"
import { lockWants, openLock } from "./make-lock.ts"
import { makeRootfs } from "./make-rootfs.ts"
import { refusedTree } from "./refused-tree.ts"
import { resolvePlan } from "./resolve-plan.ts"
import { run, runInteractive } from "./run.ts"
import { setupTools } from "./setup-tools.ts"
import { type BuildContext, openStages, type Stages } from "./stages.ts"

/** After `rootfs` the tree is Debian's as it was unpacked, after `seal` it is the image's. */
export type TreeStage = "rootfs" | "seal"

export interface EnterRequest {
  readonly projectDir: string
  readonly image: BuildTarget
  readonly at: TreeStage
  /** TERM of whoever sits there. */
  readonly term: string
  readonly context: BuildContext
  /** Is told, before the shell begins, what it shows. */
  readonly announce: (text: string) => void
}

/** Gives the shell's exit code. A tree that the seal stage refused is shown as the check saw it. */
export async function enterTree(request: EnterRequest): Promise<number> {
  const { context, announce } = request
  const copy = join(context.home.cache, "shells", String(process.pid))
  try {
    announce(await copyTree(request, copy))
    return await openShell(request, copy)
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

/** Unpacks the tree under the build lock, which is free again while the shell is open; says what it is. */
async function copyTree(request: EnterRequest, copy: string): Promise<string> {
  const { context, image } = request
  await using _lock = await context.progress.step("build lock", (note) =>
    openBuildLock(context.home.cache, (holder) => note(`waiting for the build of ${holder}`), context.signal),
  )
  const stages = await openStages(context, `shell-${storedName(image)}`)
  const { tar, what } = await makeTree(request, stages)
  await removeLeftovers(dirname(copy))
  await mkdir(copy, { recursive: true })
  await stages.plain("copy", "a copy of the tree", () =>
    run({
      ...stages.runner,
      purpose: "a copy of the tree",
      command: ["tar", "-x", "-f", tar, "-C", copy, "--no-same-owner", "--exclude=./dev/*"],
    }),
  )
  return what
}

async function makeTree(
  { projectDir, image, at, context }: EnterRequest,
  stages: Stages,
): Promise<{ tar: string; what: string }> {
  const { name, profile, site } = image
  const resolved = await stages.plain("plan", `plan: ${storedName(image)}`, () =>
    resolvePlan(projectDir, name, profile, site),
  )
  const { plan } = resolved
  const lock = await openLock({ projectDir, name, profile, wants: lockWants(plan) }, context, stages)
  const { toolsDir } = await setupTools(projectDir, context, stages)
  const rootfs = await makeRootfs({ plan, lock: lock.lock, lockFile: lock.file, toolsDir, context, stages })
  if (at === "rootfs") return { tar: rootfs.root.tar, what: `the packages of ${name} as they were unpacked` }
  try {
    const { tar } = await sealImage(resolved, rootfs, toolsDir, stages)
    return { tar, what: `the sealed tree of ${name}` }
  } catch (thrown) {
    const tar = refusedTree(join(context.home.cache, "seal", "any"))
    if (!(thrown instanceof Fault && thrown.code.startsWith("seal/") && existsSync(tar))) throw thrown
    return { tar, what: `the tree of ${name}, which was refused: ${reasonOf(thrown)}` }
  }
}

/** Copies of shells whose process was killed. */
async function removeLeftovers(dir: string): Promise<void> {
  if (!existsSync(dir)) return
  for (const pid of await readdir(dir)) {
    if (!existsSync(join("/proc", pid))) await rm(join(dir, pid), { recursive: true, force: true })
  }
}

async function openShell({ image, context, term }: EnterRequest, copy: string): Promise<number> {
  const shell = ["bash", "dash", "sh"].find((name) => existsSync(join(copy, "usr", "bin", name)))
  if (shell === undefined) {
    throw new Fault("build/no-shell", `the tree of ${image.name} has no shell`, {
      hint: `see it before it was pruned: ${shellCommand(image)} --at rootfs`,
    })
  }
  return runInteractive({
    // no session of its own: job control and Ctrl-C belong to whoever sits at the terminal
    within: [
      ...["bwrap", "--unshare-all", "--die-with-parent", "--clearenv", "--uid", "0", "--gid", "0"],
      ...["--hostname", `${image.name}-tree`, "--bind", copy, "/", "--proc", "/proc", "--dev", "/dev"],
      ...["--tmpfs", "/tmp", "--tmpfs", "/run", "--chdir", "/"],
      ...["--setenv", "PATH", "/usr/sbin:/usr/bin", "--setenv", "TERM", term, "--setenv", "HOME", "/root"],
      ...["--setenv", "PS1", `${image.name}:\\w# `, "--"],
    ],
    command: [`/usr/bin/${shell}`, ...(shell === "bash" ? ["--norc", "--noprofile"] : [])],
    signal: context.signal,
  })
}
