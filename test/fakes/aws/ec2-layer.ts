/** What EC2 does and moto does not: checks of what moto drops, names that are unique, tags, tokens, and slowness. */

import { type AwsAnswer, type AwsCall, ec2Refusal } from "./call.ts"
import type { EbsLayer, Send } from "./ebs-layer.ts"
import type { Knobs } from "./knobs.ts"

export interface Ec2Layer {
  /** The fields of each RegisterImage and RunInstances that was accepted, by the id given. */
  readonly made: Map<string, Readonly<Record<string, string>>>
  answer(call: AwsCall, send: Send): Promise<AwsAnswer>
}

/** What an AMI must be: checked here, since moto takes anything. */
const IMAGE_FIELDS: Readonly<Record<string, RegExp>> = {
  Name: /^[\w()[\] ./'@-]{3,128}$/,
  Architecture: /^x86_64$/,
  VirtualizationType: /^hvm$/,
  BootMode: /^uefi$/,
  TpmSupport: /^v2\.0$/,
  ImdsSupport: /^v2\.0$/,
  EnaSupport: /^true$/,
  RootDeviceName: /^\/dev\/xvda$/,
  "BlockDeviceMapping.1.DeviceName": /^\/dev\/xvda$/,
  "BlockDeviceMapping.1.Ebs.VolumeType": /^gp3$/,
  "BlockDeviceMapping.1.Ebs.DeleteOnTermination": /^true$/,
  "TagSpecification.1.ResourceType": /^image$/,
}

const INSTANCE_FIELDS: Readonly<Record<string, RegExp>> = {
  ImageId: /^ami-/,
  MinCount: /^1$/,
  MaxCount: /^1$/,
  InstanceInitiatedShutdownBehavior: /^terminate$/,
  "MetadataOptions.HttpTokens": /^required$/,
  "MetadataOptions.HttpPutResponseHopLimit": /^1$/,
  "MetadataOptions.InstanceMetadataTags": /^disabled$/,
  ClientToken: /^\S{1,64}$/,
}

export function openEc2Layer(knobs: Knobs, ebs: EbsLayer): Ec2Layer {
  const made = new Map<string, Readonly<Record<string, string>>>()
  const asked = new Map<string, number>()
  const tokens = new Map<string, AwsAnswer>()
  /** Counts a question about something young. */
  const age = (id: string) => {
    asked.set(id, (asked.get(id) ?? 0) + 1)
    return asked.get(id) ?? 0
  }
  const ready = (id: string) => (asked.get(id) ?? 0) > knobs.unknownReads + knobs.pendingReads
  const layer = { knobs, ebs, made, age, ready, tokens, names: new Set<string>() }
  return {
    made,
    async answer(call, send) {
      const special = ACTIONS[call.action]
      return special === undefined ? send(call) : special(layer, call, send)
    },
  }
}

interface Layer {
  readonly knobs: Knobs
  readonly ebs: EbsLayer
  readonly made: Map<string, Readonly<Record<string, string>>>
  readonly age: (id: string) => number
  readonly ready: (id: string) => boolean
  readonly tokens: Map<string, AwsAnswer>
  /** Of AMIs; taken from the moment that one is asked for. */
  readonly names: Set<string>
}

const ACTIONS: Readonly<Record<string, (layer: Layer, call: AwsCall, send: Send) => Promise<AwsAnswer>>> = {
  async RegisterImage(layer, call, send) {
    const wrong = firstWrong(call, IMAGE_FIELDS)
    if (wrong !== null) return ec2Refusal(400, "InvalidParameterValue", wrong)
    const snapshot = layer.ebs.snapshots.get(call.fields["BlockDeviceMapping.1.Ebs.SnapshotId"] ?? "")
    if (snapshot?.state !== "completed")
      return ec2Refusal(400, "InvalidSnapshot.NotFound", `the snapshot is ${snapshot?.state ?? "not there"}`)
    const name = call.fields["Name"] ?? ""
    if (layer.names.has(name))
      return ec2Refusal(400, "InvalidAMIName.Duplicate", `AMI name ${call.fields["Name"]} is already in use`)
    layer.names.add(name)
    return keep(layer, call, send, /<imageId>(ami-[^<]+)</)
  },
  async RunInstances(layer, call, send) {
    const wrong = firstWrong(call, INSTANCE_FIELDS)
    if (wrong !== null) return ec2Refusal(400, "InvalidParameterValue", wrong)
    if (call.fields["KeyName"] !== undefined && !call.fields["KeyName"].startsWith("asked-"))
      return ec2Refusal(400, "InvalidKeyPair.NotFound", "no key pair was asked for")
    const token = call.fields["ClientToken"] ?? ""
    const earlier = layer.tokens.get(token)
    if (earlier !== undefined) return earlier
    const answer = await keep(layer, call, send, /<instanceId>(i-[^<]+)</)
    layer.tokens.set(token, answer)
    return answer
  },
  async DescribeSnapshots(layer, call, send) {
    for (const snapshot of layer.ebs.snapshots.values()) {
      snapshot.asked += 1
      if (snapshot.state === "completing" && snapshot.asked > layer.knobs.pendingReads)
        snapshot.state = "completed"
    }
    const answer = await send(call)
    return rewriteItems(answer, /<item>\s*<snapshotId>([^<]+)[\s\S]*?<\/tagSet>\s*<\/item>/g, (item, id) => {
      const state = layer.ebs.snapshots.get(id)?.state
      return state === undefined || state === "completed" ? item : item.replace(">completed<", ">pending<")
    })
  },
  async DescribeImages(layer, call, send) {
    const byId = call.fields["ImageId.1"]
    if (byId !== undefined && layer.made.has(byId) && layer.age(byId) <= layer.knobs.unknownReads)
      return ec2Refusal(400, "InvalidAMIID.NotFound", `The image id '[${byId}]' does not exist`)
    const answer = await send(call)
    return rewriteItems(answer, /<item>\s*<imageId>([^<]+)[\s\S]*?<\/hypervisor>\s*<\/item>/g, (item, id) =>
      !layer.made.has(id) || layer.ready(id) ? item : item.replace(">available<", ">pending<"),
    )
  },
  async DescribeImageAttribute({ made }, { fields }) {
    const id = fields["ImageId"] ?? ""
    const value = made.get(id)?.["UefiData"] ?? ""
    const body = `<DescribeImageAttributeResponse><imageId>${id}</imageId><uefiData><value>${value}</value></uefiData></DescribeImageAttributeResponse>`
    return { status: 200, headers: { "content-type": "text/xml" }, body: Buffer.from(body) }
  },
  async DescribeInstances(layer, call, send) {
    const byId = call.fields["InstanceId.1"]
    if (byId !== undefined && layer.age(byId) <= layer.knobs.unknownReads)
      return ec2Refusal(400, "InvalidInstanceID.NotFound", `The instance ID '${byId}' does not exist`)
    const answer = await send(withoutTokens(layer, call))
    const text = answer.body
      .toString("utf8")
      .replace(/<(privateIpAddress|ipAddress)>[^<]*</g, `<$1>${layer.knobs.address}<`)
      .replace(/<code>16<\/code>\s*<name>running</g, (state) =>
        byId === undefined || layer.ready(byId) ? state : "<code>0</code><name>pending<",
      )
    const ended = text.replace(
      /<code>\d+<\/code>\s*<name>(running|pending)</g,
      "<code>48</code><name>terminated<",
    )
    return { ...answer, body: Buffer.from(byId !== undefined && layer.knobs.endsAtBoot ? ended : text) }
  },
  async GetConsoleOutput(layer, call, send) {
    const answer = await send(call)
    if (answer.status !== 200) return answer
    const shown = layer.knobs.console(call.fields["InstanceId"] ?? "")
    const output = shown === null ? "" : Buffer.from(shown).toString("base64")
    const text = answer.body.toString("utf8").replace(/<output>[^<]*</, `<output>${output}<`)
    return { ...answer, body: Buffer.from(text) }
  },
}

/** Remembers what was made, and gives it the tags that moto forgets at its making. */
async function keep(layer: Layer, call: AwsCall, send: Send, id: RegExp): Promise<AwsAnswer> {
  const answer = await send(call)
  const given = id.exec(answer.body.toString("utf8"))?.[1]
  if (answer.status !== 200 || given === undefined) return answer
  layer.made.set(given, call.fields)
  const tags = Object.entries(call.fields).flatMap(([name, value]) => {
    const found = /^TagSpecification\.1\.Tag\.(\d+\.(?:Key|Value))$/.exec(name)
    return found ? [[`Tag.${found[1]}`, value]] : []
  })
  const form = new URLSearchParams([
    ["Action", "CreateTags"],
    ["Version", "2016-11-15"],
    ["ResourceId.1", given],
    ...tags.map(([name = "", value = ""]): [string, string] => [name, value]),
  ])
  if (call.action === "RegisterImage")
    await send({ ...call, action: "CreateTags", body: Buffer.from(form.toString()) })
  return answer
}

/** moto knows no filter by client token: the ids that the token stands for do as well. */
function withoutTokens({ made }: Layer, call: AwsCall): AwsCall {
  if (call.fields["Filter.1.Name"] !== "client-token") return call
  const token = call.fields["Filter.1.Value.1"]
  const ids = [...made].filter(([, { ClientToken }]) => ClientToken === token).map(([id]) => id)
  const fields = { ...call.fields, "Filter.1.Name": "instance-id", "Filter.1.Value.1": ids[0] ?? "i-none" }
  return { ...call, fields, body: Buffer.from(new URLSearchParams(fields).toString()) }
}

function firstWrong(call: AwsCall, wanted: Readonly<Record<string, RegExp>>): string | null {
  const wrong = Object.entries(wanted).find(([name, pattern]) => !pattern.test(call.fields[name] ?? ""))
  return wrong === undefined
    ? null
    : `${wrong[0]} is ${call.fields[wrong[0]] ?? "missing"}, expected ${wrong[1]}`
}

function rewriteItems(
  answer: AwsAnswer,
  item: RegExp,
  rewrite: (text: string, id: string) => string,
): AwsAnswer {
  const text = answer.body.toString("utf8").replace(item, (whole: string, id: string) => rewrite(whole, id))
  return { ...answer, body: Buffer.from(text) }
}
