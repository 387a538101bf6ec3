import { RegisterImageCommand } from "@aws-sdk/client-ec2"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { findAnyImage } from "../../publish/ec2/find-image.ts"
import { foreseePublish } from "../../publish/ec2/foresee.ts"
import { planImage } from "../../publish/ec2/plan-calls.ts"
import { type PublishRequest, publishImage } from "../../publish/ec2/publish-image.ts"
import { NO_SECURE_BOOT, type SecureBoot } from "../../publish/ec2/secure-boot.ts"
import { type Aws, openAws, writesOf } from "../fakes/aws/open-aws.ts"
import { type Lab, openLab } from "./ec2-lab.ts"

const SIGNED: SecureBoot = { signature: `certificate:${"a".repeat(64)}`, uefiData: "QU1aTlVFRkk=" }

let aws: Aws
/** Each disk of it is that of an image of its own. */
let lab: Lab

beforeAll(async () => {
  aws = await openAws()
  lab = await openLab(aws)
}, 600_000)
afterAll(async () => {
  await lab[Symbol.asyncDispose]()
  await aws[Symbol.asyncDispose]()
})

describe("an image that is published with Secure Boot and without", () => {
  const needless = () => Promise.reject(new Error("the disk is not needed"))

  it("is an AMI each, told apart in a dry run as well, and each is found again", async () => {
    const plain = lab.request(await lab.makeDisk("plain", "A.B"))
    const { image } = plain
    const { imageId: plainId } = await publishImage(plain)
    aws.calls.length = 0
    const signed = lab.request(await lab.makeDisk("signed", "A.?"), { image, secureBoot: SIGNED })
    const foreseen = await foreseePublish(signed)
    expect(foreseen.imageId).toBe(null)
    expect(foreseen.calls.at(-1)).toMatchObject({
      call: "RegisterImage",
      parameters: { UefiData: SIGNED.uefiData },
    })
    expect(writesOf(aws.calls)).toEqual([])
    const { imageId: signedId, created } = await publishImage(signed)
    expect(created).toBe(true)
    expect(signedId).not.toBe(plainId)
    expect(aws.made.get(plainId)).not.toHaveProperty("UefiData")
    expect(aws.made.get(signedId)).toMatchObject({ UefiData: SIGNED.uefiData })

    aws.calls.length = 0
    // the next signature would make another disk of it
    const again = { ...signed, exportDisk: needless }
    expect(await foreseePublish(again)).toMatchObject({ imageId: signedId, calls: [] })
    expect(await publishImage(again)).toMatchObject({ imageId: signedId, created: false })
    const plainAgain = { ...plain, exportDisk: needless }
    expect(await publishImage(plainAgain)).toMatchObject({ imageId: plainId, created: false })
    expect(writesOf(aws.calls)).toEqual([])
    const asked = { clients: lab.clients, digest: image.digest, signal: plain.signal }
    expect(await findAnyImage(asked)).toMatchObject({ id: signedId })
  })

  it.each<[string, Partial<SecureBoot>]>([
    ["another certificate", { signature: `certificate:${"b".repeat(64)}` }],
    ["a kernel image that was signed elsewhere", { signature: `uki:${"a".repeat(64)}` }],
    ["no signature", { signature: "none" }],
    ["other keys in the firmware", { uefiData: "b3RoZXI=" }],
    ["no keys in the firmware", { uefiData: null }],
  ])("is another AMI with %s", async (what, change) => {
    const request = lab.request(await lab.makeDisk(what, "AB"), { secureBoot: SIGNED })
    const first = await publishImage(request)
    const second = await publishImage({ ...request, secureBoot: { ...SIGNED, ...change } })
    expect(second.created).toBe(true)
    expect(second.imageId).not.toBe(first.imageId)
  })

  it("an AMI from before there were tags for it counts as one without, but not if its firmware holds keys", async () => {
    const { snapshotId } = await publishImage(lab.request(await lab.makeDisk("any", "C")))
    const registerAsBefore = async (request: PublishRequest, more: { UefiData?: string }) => {
      const planned = planImage(request.image, snapshotId ?? "", NO_SECURE_BOOT)
      const Tags = planned.TagSpecifications?.[0]?.Tags?.slice(0, 4)
      const TagSpecifications = [{ ResourceType: "image" as const, Tags }]
      const command = new RegisterImageCommand({ ...planned, ...more, TagSpecifications })
      return (await lab.clients.ec2.send(command)).ImageId
    }
    const without = lab.request(await lab.makeDisk("without", "A"))
    const id = await registerAsBefore(without, {})
    expect(await publishImage(without)).toMatchObject({ imageId: id, created: false })
    const keys = lab.request(await lab.makeDisk("keys", "B"))
    await registerAsBefore(keys, { UefiData: "QU1aTlVFRkk=" })
    await expect(foreseePublish(keys)).rejects.toMatchObject({ code: "ec2/name-taken" })
    await expect(publishImage(keys)).rejects.toMatchObject({ code: "ec2/name-taken" })
    expect(await publishImage({ ...keys, secureBoot: SIGNED })).toMatchObject({ created: true })
  })
})
