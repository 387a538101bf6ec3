/** `stereo up --on ec2`: a command or a session in an instance of its own, which is terminated afterwards. */

import { readFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { machineName } from "../../contract/card.ts"
import { Fault } from "../../contract/fault.ts"
import { newIdentifier } from "../../contract/identifier.ts"
import { storedName } from "../../contract/image-name.ts"
import { SSH_PORTS } from "../../contract/wire.ts"
import type { RemoteRequest } from "../../machine/execute-remote.ts"
import type { CloudClients } from "../../publish/ec2/open-clients.ts"
import { openCommandStreams } from "../command-streams.ts"
import type { CliContext } from "../context.ts"
import { type CloudOptions, readPlace } from "./cloud-options.ts"

export interface UpOnEc2Options extends CloudOptions {
  readonly name?: string
  readonly instanceType: string
  readonly subnet?: string
  readonly securityGroup?: readonly string[]
  readonly keyName?: string
  readonly identity?: string
  readonly sshPort?: number
  readonly user: "agent" | "root"
}

/** The exit code is the command's, or 125 when stereo failed. */
export async function upOnEc2(
  context: CliContext,
  reference: string,
  command: readonly string[],
  options: UpOnEc2Options,
): Promise<void> {
  const { now, progress, signal, exitWith } = context
  const { user } = options
  // whatever goes wrong before the command's own code is known
  exitWith(125)
  const place = readPlace(context, options)
  const token = newIdentifier(now())
  const name = readName(options.name ?? `ec2-${token.slice(-6)}`)
  const image = await readChoice(context, reference)
  const credential = await readCredential(context, options.identity)
  const { openClients } = await import("../../publish/ec2/open-clients.ts")
  const { withInstance } = await import("../../publish/ec2/instance/launch-instance.ts")
  const { executeRemote } = await import("../../machine/execute-remote.ts")
  using clients = openClients(place)
  const imageId = typeof image === "string" ? image : await findAmi(context, clients, image)
  const wish = {
    ...{ name, imageId, token, instanceType: options.instanceType },
    securityGroupIds: options.securityGroup ?? [],
    ...(options.subnet === undefined ? {} : { subnetId: options.subnet }),
    ...(options.keyName === undefined ? {} : { keyName: options.keyName }),
  }
  const warn = (text: string) => void process.stderr.write(`stereo: ${text}\n`)
  const code = await withInstance(
    { clients, wish, user, pollMs: options.poll * 1000, progress, signal, warn },
    async ({ id, address, hostKey }) => {
      process.stderr.write(`${name} is ${id} at ${address}; it ends with this command\n`)
      using streams = openCommandStreams(context, command.length === 0 && process.stdin.isTTY === true)
      // waited for: the terminal would be given back before
      return await executeRemote({
        ...{ name, address, credential, command, streams, signal },
        user,
        port: options.sshPort ?? SSH_PORTS[user],
        hostPublicKey: hostKey,
        consoleHint: `\`aws ec2 get-console-output --instance-id ${id} --output text\` shows its console for a while`,
      })
    },
  )
  exitWith(code)
}

/**
 * An AMI by its id, which is then what is trusted; or a built image, which is refused as `up` refuses it here, before
 * anything is asked of AWS.
 */
async function readChoice(context: CliContext, reference: string): Promise<string | VerifiedChoice> {
  if (/^ami-[0-9a-f]+$/.test(reference)) return reference
  return context.progress.step(`Verifying ${reference}`, () => verifyImage(context, reference))
}

interface VerifiedChoice {
  /** As it is kept here. */
  readonly name: string
  readonly digest: string
}

/** That of an image, which must have been published in this region. */
async function findAmi(
  context: CliContext,
  clients: CloudClients,
  { name, digest }: VerifiedChoice,
): Promise<string> {
  const { findAnyImage } = await import("../../publish/ec2/find-image.ts")
  const found = await findAnyImage({ clients, digest, signal: context.signal })
  if (found !== null) return found.id
  const { region } = clients.place
  throw new Fault("ec2/not-published", `${name} ${digest.slice(0, 12)} is not an AMI in ${region}`, {
    hint: `publish it: stereo publish ec2 ${name} --region ${region}`,
  })
}

/** By name, by digest or by its beginning. Faults: `image/not-built`, `image/not-verified`, `keys/*`. */
async function verifyImage({ home }: CliContext, reference: string): Promise<VerifiedChoice> {
  const { findImageFolder } = await import("../../builder/find-image-folder.ts")
  const { readImage } = await import("../../machine/image/read-image.ts")
  const { checkRoot } = await import("../../machine/image/check-root.ts")
  const { dir, name } = await findImageFolder(home, reference)
  const image = await readImage(home, name ?? basename(dir))
  await checkRoot(image)
  return { name: storedName(image.manifest), digest: basename(image.dir) }
}

function readName(text: string): string {
  const name = machineName.safeParse(text)
  if (name.success) return name.data
  throw new Fault("machine/bad-name", `--name ${JSON.stringify(text)}: ${name.error.issues[0]?.message}`, {
    hint: "for example --name reviewer-2",
  })
}

/** A key file, the agent of SSH_AUTH_SOCK, or the usual key file, in this order. */
async function readCredential(
  context: CliContext,
  identity: string | undefined,
): Promise<RemoteRequest["credential"]> {
  const agent = context.environment["SSH_AUTH_SOCK"]
  if (identity === undefined && agent) return { agent }
  const path = identity ?? join(context.environment["HOME"] ?? "/", ".ssh", "id_ed25519")
  try {
    return { privateKey: await readFile(path, "utf8") }
  } catch (cause) {
    throw new Fault("ec2/no-identity", `${path}: the key that logs in cannot be read`, {
      hint: "--identity FILE names the private half of the key that the image was built with; or load it into an ssh agent",
      cause,
    })
  }
}
