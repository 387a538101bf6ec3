import { readFile } from "node:fs/promises"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { foreseePublish } from "../../publish/ec2/foresee.ts"
import { publishImage } from "../../publish/ec2/publish-image.ts"
import { ebsRefusal, ec2Refusal } from "../fakes/aws/call.ts"
import { quietKnobs } from "../fakes/aws/knobs.ts"
import { type Aws, openAws, writesOf } from "../fakes/aws/open-aws.ts"
import { joinBlocks, type Lab, openLab, sha256 } from "./ec2-lab.ts"

let aws: Aws
let lab: Lab

beforeAll(async () => {
  aws = await openAws()
}, 600_000)
afterAll(() => aws[Symbol.asyncDispose]())
beforeEach(async () => {
  Object.assign(aws.knobs, quietKnobs())
  aws.calls.length = 0
  // a region of its own for each test: nothing that another one published is found
  region = REGIONS.pop() ?? ""
  lab = await openLab(aws, region)
  return () => lab[Symbol.asyncDispose]()
})
let region = ""
const REGIONS = [
  ...[
    "af-south-1",
    "ap-east-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
  ],
  ...["ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ca-central-1", "eu-central-1"],
  ...["eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"],
  ...[
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
  ],
]

describe("publishing to EC2", () => {
  it("the snapshot holds the disk's bytes, of which only the non-zero blocks were sent", async () => {
    const path = await lab.makeDisk("disk", "A..?..?....B", "a half block at the end")
    const report = await publishImage(lab.request(path))
    const disk = await readFile(path)
    const blocks = await lab.readBack(report.snapshotId ?? "")
    expect([...blocks.keys()].sort((a, b) => a - b)).toEqual([0, 3, 6, 11, 12])
    expect(joinBlocks(blocks, disk.length).equals(disk)).toBe(true)
    expect(report.blocks).toMatchObject({ nonZero: 5, changed: 5, sent: 5, resumed: 0 })
    expect(aws.count("PutSnapshotBlock")).toBe(5)
  })

  it("registers an AMI that boots by UEFI with a TPM, and takes IMDSv2 only", async () => {
    const path = await lab.makeDisk("disk", "A.B")
    const request = lab.request(path, {
      secureBoot: { signature: "none", uefiData: "QU1aTlVFRkk=" },
    })
    const report = await publishImage(request)
    // the layer refuses an AMI without the other fields; see its IMAGE_FIELDS
    expect(aws.made.get(report.imageId)).toMatchObject({
      BootMode: "uefi",
      TpmSupport: "v2.0",
      ImdsSupport: "v2.0",
      EnaSupport: "true",
      UefiData: "QU1aTlVFRkk=",
      "BlockDeviceMapping.1.Ebs.SnapshotId": report.snapshotId,
      "TagSpecification.1.Tag.2.Key": "stereo:digest",
      "TagSpecification.1.Tag.2.Value": request.image.digest,
    })
  })

  it("a second time finds the AMI by its tag, and makes nothing", async () => {
    const path = await lab.makeDisk("disk", "AB")
    const first = await publishImage(lab.request(path))
    aws.calls.length = 0
    const exportDisk = () => Promise.reject(new Error("the disk is not needed"))
    const second = await publishImage(lab.request(path, { exportDisk }))
    expect(second).toMatchObject({ imageId: first.imageId, created: false })
    expect(writesOf(aws.calls)).toEqual([])
  })

  it("of a later version only what changed is sent, zeros over what was there included", async () => {
    const first = await publishImage(lab.request(await lab.makeDisk("v1", "ABCDEF...")))
    aws.calls.length = 0
    const path = await lab.makeDisk("v2", "ABX.EF..Y")
    const second = await publishImage(lab.request(path))
    expect(second.parentSnapshotId).toBe(first.snapshotId)
    expect([...(aws.snapshots.get(second.snapshotId ?? "")?.blocks.keys() ?? [])].sort()).toEqual([2, 3, 8])
    const disk = await readFile(path)
    expect(joinBlocks(await lab.readBack(second.snapshotId ?? ""), disk.length).equals(disk)).toBe(true)
  })

  it("a parent whose blocks are not known here, or not those of its tag, is not built upon", async () => {
    await publishImage(lab.request(await lab.makeDisk("v1", "AB")))
    const elsewhere = await openLab(aws, region)
    await using _ = elsewhere
    const report = await publishImage(elsewhere.request(await elsewhere.makeDisk("v2", "AC")))
    expect(report.parentSnapshotId).toBe(null)
    expect(report.blocks?.sent).toBe(2)
  })
})

describe("a publication that is interrupted", () => {
  it("goes on with the same snapshot, and sends only the rest", async () => {
    const path = await lab.makeDisk("disk", "?".repeat(24))
    const stop = new AbortController()
    aws.knobs.intercept = ({ action }) => {
      if (action === "PutSnapshotBlock" && aws.count("PutSnapshotBlock") >= 10)
        stop.abort(new Error("Ctrl-C"))
      return null
    }
    const first = lab.request(path, { parallel: 2, signal: stop.signal })
    await expect(publishImage(first)).rejects.toThrow("Ctrl-C")
    const before = aws.count("PutSnapshotBlock")
    expect(before).toBeLessThan(24)
    aws.knobs.intercept = () => null
    const report = await publishImage(lab.request(path))
    // a block or two may have arrived whose answers nobody waited for
    expect(report.blocks?.resumed).toBeGreaterThanOrEqual(before - 2)
    expect(report.blocks?.sent).toBe(24 - (report.blocks?.resumed ?? 0))
    expect(aws.count("StartSnapshot")).toBe(1)
    const disk = await readFile(path)
    expect(joinBlocks(await lab.readBack(report.snapshotId ?? ""), disk.length).equals(disk)).toBe(true)
  })

  it("says that the snapshot stays and how to go on, and --restart takes it away and begins anew", async () => {
    const path = await lab.makeDisk("disk", "AB")
    const refused = ebsRefusal(403, "AccessDeniedException", "no kms:GenerateDataKey")
    aws.knobs.intercept = ({ action }) => (action === "PutSnapshotBlock" ? refused : null)
    const fault = await publishImage(lab.request(path)).catch((thrown: unknown) => thrown)
    const [old] = [...aws.snapshots.keys()].slice(-1)
    expect(fault).toMatchObject({
      code: "ec2/not-allowed",
      hint: expect.stringContaining(`${old} stays`) as string,
    })
    aws.knobs.intercept = () => null
    const report = await publishImage(lab.request(path, { restart: true }))
    expect(report.snapshotId).not.toBe(old)
    expect(writesOf(aws.calls)).toContain("DeleteSnapshot")
  })

  it("a block that the journal claims and AWS does not have fails the checksum; the next run writes all", async () => {
    const path = await lab.makeDisk("disk", "ABC")
    const refused = ebsRefusal(400, "ValidationException", "not now")
    aws.knobs.intercept = ({ action, fields }) =>
      action === "PutSnapshotBlock" && fields["BlockIndex"] !== "0" ? refused : null
    const request = lab.request(path, { parallel: 1 })
    await expect(publishImage(request)).rejects.toThrow("not now")
    const id = [...aws.snapshots.keys()].at(-1) ?? ""
    const { openNotes } = await import("../../publish/ec2/journal.ts")
    const { notesDir } = await import("../../publish/ec2/publish-image.ts")
    const notes = openNotes(notesDir(request.home, region))
    await notes.addDone(id, 1, sha256("B".repeat(524_288)))
    aws.knobs.intercept = () => null
    await expect(publishImage(request)).rejects.toMatchObject({ code: "ec2/checksum" })
    expect(aws.count("RegisterImage")).toBe(0)
    const report = await publishImage(request)
    expect(report.blocks).toMatchObject({ sent: 3, resumed: 0 })
  })

  it("a block that arrives changed is refused, and nothing is registered", async () => {
    const path = await lab.makeDisk("disk", "AB")
    aws.knobs.intercept = ({ action }) =>
      action === "PutSnapshotBlock"
        ? {
            status: 201,
            headers: { "x-amz-Checksum": "AAAA", "x-amz-Checksum-Algorithm": "SHA256" },
            body: Buffer.from("{}"),
          }
        : null
    await expect(publishImage(lab.request(path))).rejects.toMatchObject({ code: "ec2/checksum" })
    expect(aws.count("CompleteSnapshot") + aws.count("RegisterImage")).toBe(0)
  })
})

describe("an AWS that is busy, slow and forgetful", () => {
  it("a throttled run sends fewer at once, and ends well", async () => {
    const path = await lab.makeDisk("disk", "?".repeat(60))
    const seen = new Map<string, number>()
    aws.knobs.intercept = ({ action, fields }) => {
      if (action !== "PutSnapshotBlock") return null
      const times = (seen.get(fields["BlockIndex"] ?? "") ?? 0) + 1
      seen.set(fields["BlockIndex"] ?? "", times)
      return times <= 2 ? ebsRefusal(400, "RequestThrottledException", "Rate exceeded") : null
    }
    const report = await publishImage(lab.request(path))
    expect(report.blocks?.sent).toBe(60)
    expect(report.blocks?.lowestPace).toBeLessThan(32)
    const disk = await readFile(path)
    expect(joinBlocks(await lab.readBack(report.snapshotId ?? ""), disk.length).equals(disk)).toBe(true)
  })

  it("never more are under way than asked for", async () => {
    aws.forgetPeaks()
    await publishImage(lab.request(await lab.makeDisk("disk", "?".repeat(20)), { parallel: 3 }))
    expect(aws.peak("PutSnapshotBlock")).toBeGreaterThan(1)
    expect(aws.peak("PutSnapshotBlock")).toBeLessThanOrEqual(3)
  })

  it.each([
    ["RequestLimitExceeded", () => ec2Refusal(503, "RequestLimitExceeded", "Request limit exceeded.")],
    ["status 429", () => ebsRefusal(429, "Unknown", "slow down")],
    ["status 500", () => ebsRefusal(500, "InternalServerException", "sorry")],
    ["a cut connection", () => "cut" as const],
    ["a lost answer", () => "lost" as const],
  ])("%s, once for every call, changes nothing in what is made", async (_what, failure) => {
    const path = await lab.makeDisk("disk", "A.B")
    const seen = new Set<string>()
    aws.knobs.intercept = ({ action, fields }) => {
      const key = `${action} ${fields["BlockIndex"] ?? ""}`
      if (seen.has(key)) return null
      seen.add(key)
      return failure()
    }
    const before = aws.snapshots.size
    const report = await publishImage(lab.request(path))
    const disk = await readFile(path)
    expect(joinBlocks(await lab.readBack(report.snapshotId ?? ""), disk.length).equals(disk)).toBe(true)
    expect(aws.snapshots.size).toBe(before + 1)
    expect(seen.has("RegisterImage ")).toBe(true)
  })

  it("what was made is not found at first, and not ready for long", async () => {
    Object.assign(aws.knobs, { unknownReads: 3, pendingReads: 4 })
    const report = await publishImage(lab.request(await lab.makeDisk("disk", "A.B")))
    expect(aws.made.has(report.imageId)).toBe(true)
    expect(aws.calls.filter(({ status }) => status === 404).length).toBeGreaterThan(0)
  })

  it("two at a time make one AMI of one snapshot", async () => {
    const path = await lab.makeDisk("disk", "ABCD")
    const before = aws.snapshots.size
    const [one, two] = await Promise.all([publishImage(lab.request(path)), publishImage(lab.request(path))])
    expect(one?.imageId).toBe(two?.imageId)
    expect(aws.snapshots.size).toBe(before + 1)
  })
})

describe("a dry run", () => {
  it("names each call with what it would carry, and sends none that writes", async () => {
    const path = await lab.makeDisk("disk", "A..BB")
    const foreseen = await foreseePublish(lab.request(path))
    expect(foreseen.calls.map(({ call, times }) => [call, times])).toEqual([
      ["StartSnapshot", 1],
      ["PutSnapshotBlock", 3],
      ["CompleteSnapshot", 1],
      ["RegisterImage", 1],
    ])
    expect(foreseen.blocks).toEqual({ total: 5, nonZero: 3, toSend: 3, bytesToSend: 3 * 524_288 })
    expect(foreseen.calls[1]?.parameters).toMatchObject({ BlockIndex: "0, 3-4" })
    expect(writesOf(aws.calls)).toEqual([])
    const report = await publishImage(lab.request(path))
    const started = aws.calls.find(({ action }) => action === "StartSnapshot")
    expect(foreseen.calls[0]?.parameters).toMatchObject({ ClientToken: started?.fields["ClientToken"] })
    const again = await foreseePublish(lab.request(path))
    expect(again).toMatchObject({ imageId: report.imageId, calls: [] })
  })
})
