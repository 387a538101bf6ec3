/** Makes an AMI of a finished snapshot. */

import { setTimeout as delay } from "node:timers/promises"
import { DescribeImagesCommand, type Image, RegisterImageCommand } from "@aws-sdk/client-ec2"
import { Fault } from "../../contract/fault.ts"
import { callAws, refusalOf } from "./call-aws.ts"
import type { CloudClients } from "./open-clients.ts"
import { type PublishedImage, planImage, TAGS } from "./plan-calls.ts"
import { isRegisteredWith, type SecureBoot } from "./secure-boot.ts"

export interface RegisterRequest {
  readonly clients: CloudClients
  readonly image: PublishedImage
  readonly secureBoot: SecureBoot
  /** Between two looks, milliseconds. */
  readonly pollMs: number
  readonly signal: AbortSignal
}

const LOOKS = 24

/** Gives the AMI's id; one that somebody else registered for the same artifact meanwhile counts. Faults: `ec2/name-taken`. */
export async function registerImage(request: RegisterRequest, snapshotId: string): Promise<string> {
  const { clients, image, secureBoot, signal } = request
  const command = new RegisterImageCommand(planImage(image, snapshotId, secureBoot))
  try {
    const answer = await callAws("RegisterImage", (options) => clients.ec2.send(command, options), {
      signal,
      young: true,
    })
    if (answer.ImageId !== undefined) return answer.ImageId
  } catch (thrown) {
    if (refusalOf(thrown) !== "InvalidAMIName.Duplicate") throw thrown
    return await findNamed(request, command.input.Name ?? "")
  }
  throw new Fault("ec2/refused", "RegisterImage answered without an id", {
    hint: "what answers is not EC2: check --endpoint",
  })
}

/** An answer that was lost leads here as well: the name holds the artifact's digest, and what its Secure Boot is. */
async function findNamed(request: RegisterRequest, name: string): Promise<string> {
  const { clients, pollMs, signal } = request
  const command = new DescribeImagesCommand({ Owners: ["self"], Filters: [{ Name: "name", Values: [name] }] })
  let found: Image | undefined
  // the name is taken at once; the image that took it may be seen only later
  for (let looks = 0; looks < LOOKS && found === undefined; looks += 1) {
    if (looks > 0) await delay(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    const answer = await callAws("DescribeImages", (options) => clients.ec2.send(command, options), {
      signal,
    })
    found = answer.Images?.find((one) => isOurs(one, request))
  }
  if (found?.ImageId !== undefined) return found.ImageId
  throw new Fault("ec2/name-taken", `an AMI called ${name} is there, and is not tagged as this image's`, {
    hint: `look at it with \`aws ec2 describe-images --owners self --filters Name=name,Values=${name}\`, and take it away if it is nobody's`,
  })
}

function isOurs({ Tags = [] }: Image, { image, secureBoot }: RegisterRequest): boolean {
  const isOfImage = Tags.some(({ Key, Value }) => Key === TAGS.digest && Value === image.digest)
  return isOfImage && isRegisteredWith(Tags, secureBoot)
}
