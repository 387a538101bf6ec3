/** What RunInstances is asked for: one instance that ends when it is shut down, and that no metadata leaks from. */

import type { _InstanceType, RunInstancesRequest } from "@aws-sdk/client-ec2"
import { TAGS } from "../plan-calls.ts"

export interface InstanceWish {
  /** The machine's name. */
  readonly name: string
  readonly imageId: string
  readonly instanceType: string
  readonly subnetId?: string
  readonly securityGroupIds: readonly string[]
  /** A key pair of the account, only if one was asked for: the image holds the operator's own key. */
  readonly keyName?: string
  /** Makes a repeated call the same call, at most 64 characters. */
  readonly token: string
}

export function planInstance(wish: InstanceWish): RunInstancesRequest {
  const tags = [
    { Key: "Name", Value: `stereo ${wish.name}` },
    { Key: TAGS.machine, Value: wish.name },
    { Key: TAGS.run, Value: wish.token },
  ]
  return {
    ImageId: wish.imageId,
    // any word: AWS knows types that this version of its SDK does not
    InstanceType: wish.instanceType as _InstanceType,
    MinCount: 1,
    MaxCount: 1,
    ClientToken: wish.token,
    InstanceInitiatedShutdownBehavior: "terminate",
    MetadataOptions: {
      HttpEndpoint: "enabled",
      HttpTokens: "required",
      HttpPutResponseHopLimit: 1,
      InstanceMetadataTags: "disabled",
    },
    ...(wish.subnetId === undefined ? {} : { SubnetId: wish.subnetId }),
    ...(wish.securityGroupIds.length === 0 ? {} : { SecurityGroupIds: [...wish.securityGroupIds] }),
    ...(wish.keyName === undefined ? {} : { KeyName: wish.keyName }),
    TagSpecifications: [
      { ResourceType: "instance", Tags: tags },
      { ResourceType: "volume", Tags: tags },
    ],
  }
}
