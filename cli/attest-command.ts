/** `stereo attest IMAGE --control SOCKET`: whether a machine that something else started is what the image promises. */

import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { Command } from "commander"
import { Fault } from "../contract/fault.ts"
import { storedName } from "../contract/image-name.ts"
import { jsonText } from "../contract/json-text.ts"
import type { Expected } from "../host-proxy/attestation/judge-measurement.ts"
import type { ImageFolder } from "../publish/oci/pack-image.ts"
import type { CliContext } from "./context.ts"
import { parseDuration } from "./parse-duration.ts"

interface AttestOptions {
  readonly control: string
  /** Seconds. */
  readonly timeout: number
  readonly shutdown?: boolean
  readonly json?: boolean
}

/** Whole disks and partitions, as virtio, NVMe, SCSI and Xen call them: which one it is decides nothing, its hash does. */
const ANY_DISK = /^(?:(?:vd|sd|xvd)[a-z]{1,2}\d{0,3}|nvme\d{1,3}n\d{1,3}(?:p\d{1,3})?)$/

const DEFAULT_TIMEOUT_SECONDS = 120

export function addAttestCommand(program: Command, context: CliContext): void {
  program
    .command("attest")
    .description("ask a machine that something else started what it is, and compare it with an image")
    .argument("<image>", "a name, a digest, or at least 6 digits of its beginning")
    .requiredOption("--control <socket>", "unix socket whose other end is the guest's port stereo.control")
    .option(
      "--timeout <time>",
      "how long the guest may take, such as 90s or 5m",
      parseDuration,
      DEFAULT_TIMEOUT_SECONDS,
    )
    .option("--shutdown", "turn the machine off afterwards, whatever it was found to be")
    .option("--json", "print as JSON")
    .addHelpText(
      "after",
      [
        "\nFor machines of other programs, such as Packer, libvirt or a QEMU of one's own: their virtio-serial port of the",
        "name stereo.control has to lead to a socket. Packet filter, units and root must be those of the manifest; as",
        "always the measurement is made by the guest's own agent. Machines of `stereo up` are attested without this.",
        "The exit code is 1 when the machine is anything else.",
        "\nExample:\n  $ stereo attest base --control output-base.control --timeout 5m --shutdown",
      ].join("\n"),
    )
    .action((reference: string, options: AttestOptions) => attest(context, reference, options))
}

async function attest(context: CliContext, reference: string, options: AttestOptions): Promise<void> {
  const { progress, signal } = context
  const { readImageFolder } = await import("./registry/read-image-folder.ts")
  const { attestSocket } = await import("../host-proxy/attest-socket.ts")
  // what a machine is measured against must be what somebody who is trusted signed
  const image = await readImageFolder(context, reference)
  const expected = await expectationOf(image)
  const { found, mismatch } = await progress.step(`Ask ${options.control}`, (note) =>
    attestSocket({
      ...{ socketPath: options.control, expected, timeoutMs: options.timeout * 1000 },
      ...{ shutdown: options.shutdown === true, note, signal },
    }),
  )
  const state = mismatch === null ? "attested" : "refused"
  const report = {
    image: storedName(image.manifest),
    digest: image.digest,
    state,
    ...mismatch,
    expected: expected.digests,
    found,
  }
  if (options.json) context.print(jsonText(report))
  if (mismatch !== null) {
    throw new Fault("attest/not-the-image", `${mismatch.rule}: ${mismatch.reason}`, {
      hint: `compare with \`stereo images show ${image.digest.slice(0, 12)}\`: is it the image that was to be started?`,
    })
  }
  if (options.json) return
  context.print(
    `the machine is ${storedName(image.manifest)} ${image.digest.slice(0, 12)}: root, packet filter and units are as promised\n`,
  )
}

async function expectationOf({ dir, manifest }: ImageFolder): Promise<Expected> {
  const { verity, measurements, files } = manifest
  return {
    image: storedName(manifest),
    digests: {
      rootHash: verity.root_hash,
      rulesetSha256: measurements.ruleset_sha256,
      unitsSha256: measurements.units_sha256,
    },
    ruleset: await readFile(join(dir, files.ruleset.name), "utf8"),
    units: await readFile(join(dir, files.units.name), "utf8"),
    disks: ANY_DISK,
  }
}
