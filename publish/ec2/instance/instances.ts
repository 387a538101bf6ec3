/** The instances that stereo started in a region, by their tags, and their end. */

import {
  DescribeInstancesCommand,
  type Filter,
  type Instance,
  TerminateInstancesCommand,
} from "@aws-sdk/client-ec2"
import { callAws } from "../call-aws.ts"
import type { CloudClients } from "../open-clients.ts"
import { TAGS } from "../plan-calls.ts"

export interface CloudMachine {
  readonly name: string
  readonly id: string
  readonly state: string
  readonly imageId: string
  readonly instanceType: string
  readonly address: string | null
  readonly startedAt: string | null
}

/** What costs: those that are gone, or going, are left out. */
const LIVING: Filter = { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] }

/** Those of every stereo that uses this account. */
export async function listInstances(
  clients: CloudClients,
  signal: AbortSignal,
): Promise<readonly CloudMachine[]> {
  const found = await describe(clients, [{ Name: "tag-key", Values: [TAGS.machine] }, LIVING], signal)
  return found.map(readMachine).sort((left, right) => left.name.localeCompare(right.name))
}

/** Of one run; an instance that was started just now may not be found by its tags yet, so they are asked for twice. */
export async function findByRun(
  clients: CloudClients,
  token: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const byTag = await describe(clients, [{ Name: `tag:${TAGS.run}`, Values: [token] }, LIVING], signal)
  const byToken = await describe(clients, [{ Name: "client-token", Values: [token] }, LIVING], signal)
  return [...new Set([...byTag, ...byToken].map(({ InstanceId }) => InstanceId ?? ""))].filter(Boolean)
}

/** Asks for their end; they are gone a minute later. */
export async function terminateInstances(
  { ec2 }: CloudClients,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (ids.length === 0) return
  const command = new TerminateInstancesCommand({ InstanceIds: [...ids] })
  await callAws("TerminateInstances", (options) => ec2.send(command, options), { signal, young: true })
}

async function describe({ ec2 }: CloudClients, filters: Filter[], signal: AbortSignal): Promise<Instance[]> {
  const all: Instance[] = []
  let token: string | undefined
  do {
    const command = new DescribeInstancesCommand({ Filters: filters, NextToken: token })
    const page = await callAws("DescribeInstances", (options) => ec2.send(command, options), { signal })
    all.push(...(page.Reservations ?? []).flatMap(({ Instances }) => Instances ?? []))
    token = page.NextToken
  } while (token)
  return all
}

function readMachine(instance: Instance): CloudMachine {
  return {
    name: instance.Tags?.find(({ Key }) => Key === TAGS.machine)?.Value ?? "",
    id: instance.InstanceId ?? "",
    state: instance.State?.Name ?? "unknown",
    imageId: instance.ImageId ?? "",
    instanceType: instance.InstanceType ?? "",
    address: instance.PublicIpAddress || instance.PrivateIpAddress || null,
    startedAt: instance.LaunchTime?.toISOString() ?? null,
  }
}
