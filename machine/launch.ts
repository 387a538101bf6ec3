/** A machine's path, from image and card to a guest that is ready. */

import { realpath } from "node:fs/promises"
import { Fault } from "../contract/fault.ts"
import type { Home, MachineHome } from "../contract/home.ts"
import type { ReadyReport } from "../contract/host-api.ts"
import { newIdentifier } from "../contract/identifier.ts"
import type { MachineRecord, ProcessRef } from "../contract/machine-record.ts"
import type { Progress } from "../contract/progress.ts"
import { currentToolsTree } from "../contract/tools-tree.ts"
import { abandonLaunch } from "./abandon-launch.ts"
import { claimFolder } from "./claim-folder.ts"
import { makeDataDisk } from "./disk/make-data-disk.ts"
import type { HostClient } from "./host-client.ts"
import { checkRoot } from "./image/check-root.ts"
import { type BuiltImage, readImage } from "./image/read-image.ts"
import { unpackKernel } from "./image/unpack-kernel.ts"
import { checkEgressSets } from "./plan/check-egress-sets.ts"
import { mintSecrets } from "./plan/mint-secrets.ts"
import { planRecord } from "./plan/plan-record.ts"
import { readCard } from "./plan/read-card.ts"
import { readProviders } from "./plan/read-providers.ts"
import { type ProbeAnswer, probeAccelerator } from "./probe/probe-accelerator.ts"
import { readProcessRef } from "./process-ref.ts"
import { INSIDE, renderQemuArgs } from "./qemu/render-qemu-args.ts"
import { startQemu } from "./qemu/start-qemu.ts"
import { awaitReady } from "./ready/await-ready.ts"
import { writeRecord } from "./record-store.ts"
import { renderBubblewrapArgs } from "./render-bubblewrap-args.ts"
import type { Command } from "./run.ts"

export interface LaunchRequest {
  readonly home: Home
  readonly projectDir: string
  /** Gives the host service, started if need be: asked for once card, image and egress sets are found good. */
  readonly connect: () => Promise<HostClient>
  /** Path of a jcard.toml. */
  readonly card?: string
  readonly image?: string
  readonly asked: { readonly name?: string; readonly team?: string; readonly project?: string }
  /** The machine ends with this process, and its folder goes with it. */
  readonly ephemeral: boolean
  readonly readyTimeoutMs?: number
  readonly progress: Progress
  readonly now: () => number
  readonly signal: AbortSignal
}

export interface LaunchedMachine {
  readonly host: HostClient
  readonly record: MachineRecord
  /** The image's, `strict` or one that loosens something. */
  readonly profile: string
  readonly report: ReadyReport
  readonly accelerator: ProbeAnswer
  /** Our own work before QEMU ran. */
  readonly prepareMs: number
  /** From QEMU's start to ready. */
  readonly bootMs: number
}

/** A healthy guest needs 8 s, an emulated one 15; on a host with many others that was seen to be two minutes. */
const READY_TIMEOUT_MS = { kvm: 120_000, tcg: 300_000 } as const

export async function launchMachine(request: LaunchRequest): Promise<LaunchedMachine> {
  const { home, progress, signal, now } = request
  const beganMs = now()
  const card = await readCard(request.card)
  const image = await readImage(home, request.image ?? card.image ?? "base")
  const toolsDir = await findTools(home)
  const rootChecked = checkRoot(image)
  rootChecked.catch(() => null) // waited for below, beside the boot
  const probe = { toolsDir, cacheFile: home.probe, device: "/dev/kvm", progress, signal }
  const accelerator = await probeAccelerator(probe)
  const planned = planRecord({
    ...request,
    ...(await mint(request.projectDir)),
    card,
    image,
    accelerator: accelerator.accelerator,
    runId: newIdentifier(beganMs),
    createdAt: new Date(beganMs).toISOString(),
    owner: thisProcess(),
  })
  await checkEgressSets(request.projectDir, planned.egressSets)
  const host = await request.connect()
  const claim = await claimFolder(home, planned)
  const { layout } = claim
  let record = planned
  try {
    await makeDataDisk({ toolsDir, path: layout.dataDisk, sizeMib: record.resources.diskMib }, signal)
    const kernel = await unpackKernel({ home, image, progress, now })
    await host.attach(record.name, signal)
    const qemu = await startQemu(renderMachine({ toolsDir, image, kernel, record, layout }), layout.log)
    const startedMs = now()
    record = { ...record, qemu: qemu.process }
    await writeRecord(home, record)
    const timeoutMs = request.readyTimeoutMs ?? READY_TIMEOUT_MS[record.accelerator]
    const title = `Boot ${record.name} (image ${image.name}, ${record.accelerator})`
    const [report] = await progress.step(title, () =>
      Promise.all([
        awaitReady({ name: record.name, layout, host, ended: qemu.ended, timeoutMs, signal }),
        rootChecked,
      ]),
    )
    record = { ...record, state: "running", owner: request.ephemeral ? record.owner : null }
    await writeRecord(home, record)
    const bootMs = Math.round(now() - startedMs)
    return {
      host,
      record,
      profile: image.manifest.profile,
      report,
      accelerator,
      prepareMs: Math.round(startedMs - beganMs),
      bootMs,
    }
  } catch (thrown) {
    await abandonLaunch({ home, host, record, isNew: claim.isNew, interrupted: signal.aborted, thrown })
    throw thrown
  } finally {
    await claim.release()
  }
}

async function findTools(home: Home): Promise<string> {
  return realpath(currentToolsTree(home)).catch((thrown: unknown) => {
    throw new Fault("machine/no-tools", `there is no tools tree at ${currentToolsTree(home)}`, {
      hint: "make it with `stereo setup` (about a minute)",
      cause: thrown,
    })
  })
}

async function mint(projectDir: string) {
  const providers = await readProviders(projectDir)
  return { providers, secrets: mintSecrets(providers) }
}

function thisProcess(): ProcessRef {
  const ref = readProcessRef(process.pid)
  if (ref === null) throw new Fault("machine/no-proc", "/proc does not show this process")
  return ref
}

function renderMachine(parts: {
  readonly toolsDir: string
  readonly image: BuiltImage
  readonly kernel: string
  readonly record: MachineRecord
  readonly layout: MachineHome
}): Command {
  const { toolsDir, image, kernel, record, layout } = parts
  return renderBubblewrapArgs({
    toolsDir,
    readOnly: { [INSIDE.image]: image.dir, [INSIDE.kernel]: kernel },
    writable: { [INSIDE.machine]: layout.vm },
    devices: record.accelerator === "kvm" ? ["/dev/kvm"] : [],
    dieWithParent: record.ephemeral,
    infoFd: 3,
    command: renderQemuArgs(image.manifest, record),
  })
}
