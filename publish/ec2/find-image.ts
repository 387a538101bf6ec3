/** Finds the AMIs of an image in a region, by their tags. Asks only; nothing is written. */

import { DescribeImageAttributeCommand, DescribeImagesCommand, type Image } from "@aws-sdk/client-ec2"
import { Fault } from "../../contract/fault.ts"
import { callAws } from "./call-aws.ts"
import type { CloudClients } from "./open-clients.ts"
import { TAGS } from "./plan-calls.ts"
import { isRegisteredWith, SECURE_BOOT_TAGS, type SecureBoot } from "./secure-boot.ts"

export interface FoundImage {
  readonly id: string
  readonly state: string
}

interface Asked {
  readonly clients: CloudClients
  /** sha256 of the image's manifest. */
  readonly digest: string
  readonly signal: AbortSignal
}

/** The AMI of exactly this artifact with exactly this Secure Boot; null if there is none. Faults: `ec2/image-failed`, `ec2/name-taken`. */
export async function findImage(asked: Asked, secureBoot: SecureBoot): Promise<FoundImage | null> {
  const images = await listImages(asked)
  const found = pickImage(images.filter(({ Tags }) => isRegisteredWith(Tags ?? [], secureBoot)))
  if (found !== null && tagOf(found.image, SECURE_BOOT_TAGS.signature) === undefined)
    await refuseKeys(asked, found.id)
  return found
}

/** Any AMI of this artifact: one whose firmware holds keys before one without, the youngest first. Fault: `ec2/image-failed`. */
export async function findAnyImage(asked: Asked): Promise<FoundImage | null> {
  const hasKeys = (image: Image) => (tagOf(image, SECURE_BOOT_TAGS.uefiData) ?? "none") !== "none"
  const born = ({ CreationDate }: Image) => Date.parse(CreationDate ?? "") || 0
  const images = await listImages(asked)
  return pickImage(
    images.sort((left, right) => Number(hasKeys(right)) - Number(hasKeys(left)) || born(right) - born(left)),
  )
}

async function listImages({ clients: { ec2 }, digest, signal }: Asked): Promise<Image[]> {
  const all: Image[] = []
  const filters = [{ Name: `tag:${TAGS.digest}`, Values: [digest] }]
  let token: string | undefined
  do {
    const command = new DescribeImagesCommand({ Owners: ["self"], Filters: filters, NextToken: token })
    const page = await callAws("DescribeImages", (options) => ec2.send(command, options), { signal })
    all.push(...(page.Images ?? []))
    token = page.NextToken
  } while (token)
  return all
}

/** The first that is available, else the first that will be. */
function pickImage(images: readonly Image[]): (FoundImage & { readonly image: Image }) | null {
  const usable =
    images.find(({ State }) => State === "available") ?? images.find(({ State }) => State === "pending")
  if (usable?.ImageId !== undefined)
    return { id: usable.ImageId, state: usable.State ?? "pending", image: usable }
  const failed = images[0]
  if (failed === undefined) return null
  throw new Fault(
    "ec2/image-failed",
    `${failed.ImageId} was registered for this image and is ${failed.State}: ${failed.StateReason?.Message ?? "no reason given"}`,
    { hint: takeAway(failed.ImageId ?? "") },
  )
}

/** Of an AMI without our tags only AWS knows; it has the name that the one without keys is to get. */
async function refuseKeys({ clients: { ec2 }, signal }: Asked, id: string): Promise<void> {
  const command = new DescribeImageAttributeCommand({ ImageId: id, Attribute: "uefiData" })
  const answer = await callAws("DescribeImageAttribute", (options) => ec2.send(command, options), { signal })
  if (!answer.UefiData?.Value) return
  throw new Fault(
    "ec2/name-taken",
    `${id} was registered for this image by an earlier version of stereo, with keys for Secure Boot, under the name of the one without`,
    { hint: takeAway(id) },
  )
}

function takeAway(id: string): string {
  return `take it away: aws ec2 deregister-image --image-id ${id}`
}

function tagOf({ Tags }: Image, key: string): string | undefined {
  return Tags?.find(({ Key }) => Key === key)?.Value
}
