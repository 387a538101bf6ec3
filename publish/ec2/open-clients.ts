/** The two services of one region that publishing needs: EC2, and the EBS direct APIs. */

import { EBSClient } from "@aws-sdk/client-ebs"
import { EC2Client } from "@aws-sdk/client-ec2"

export interface CloudPlace {
  readonly region: string
  /** A profile of the shared AWS configuration; undefined: what the SDK's default chain finds. */
  readonly profile?: string
  /** Where both services answer instead, as a URL; for tests, and for networks with endpoints of their own. */
  readonly endpoint?: string
}

export interface CloudClients extends Disposable {
  readonly place: CloudPlace
  readonly ebs: EBSClient
  readonly ec2: EC2Client
}

/** One connection for each block that may be under way, and a few for the rest. */
const MOST_SOCKETS = 80
const CONNECTION_MS = 10_000
/** Half a megabyte on a slow line. */
const REQUEST_MS = 60_000

/** Nothing is sent yet. Retries are call-aws.ts's own, since what is throttled must also slow the rest down. */
export function openClients(place: CloudPlace): CloudClients {
  const { region, profile, endpoint } = place
  const shared = {
    region,
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: CONNECTION_MS,
      requestTimeout: REQUEST_MS,
      throwOnRequestTimeout: true,
      httpsAgent: { maxSockets: MOST_SOCKETS },
      httpAgent: { maxSockets: MOST_SOCKETS },
    },
    ...(profile === undefined ? {} : { profile }),
    ...(endpoint === undefined ? {} : { endpoint }),
  }
  const ebs = new EBSClient(shared)
  const ec2 = new EC2Client(shared)
  return {
    place,
    ebs,
    ec2,
    [Symbol.dispose]: () => {
      ebs.destroy()
      ec2.destroy()
    },
  }
}
