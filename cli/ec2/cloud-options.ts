/** Options of every command that talks to EC2: which region, as whom, and where it answers. */

import { type Command, InvalidArgumentError } from "commander"
import { Fault } from "../../contract/fault.ts"
import type { CloudPlace } from "../../publish/ec2/open-clients.ts"
import type { CliContext } from "../context.ts"

export interface CloudOptions {
  readonly region?: string
  readonly awsProfile?: string
  readonly endpoint?: string
  readonly poll: number
}

export function addCloudOptions(command: Command): Command {
  return command
    .hook("preAction", refuseWithoutOn)
    .option("--region <region>", "EC2: the region (default: AWS_REGION)")
    .option("--aws-profile <name>", "EC2: a profile of the AWS configuration (default: what the SDK finds)")
    .option("--endpoint <url>", "EC2: where its API answers, instead of the region's own")
    .option("--poll <seconds>", "EC2: between two looks at what AWS is making", parseSeconds, 5)
}

/** Where a command runs things here as well, these say nothing without --on, and whoever gave them meant something. */
function refuseWithoutOn(command: Command): void {
  const elsewhere = command.options.find((option) => option.attributeName() === "on")
  if (elsewhere === undefined || command.getOptionValue("on") !== undefined) return
  const lost = command.options.find((option) => {
    return (
      option.description.startsWith("EC2: ") && command.getOptionValueSource(option.attributeName()) === "cli"
    )
  })
  if (lost !== undefined) command.error(`${lost.long} is for --on ec2`)
}

/** Faults: `cli/no-region`. */
export function readPlace(context: CliContext, options: CloudOptions): CloudPlace {
  const { environment } = context
  const region = options.region ?? environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"]
  if (region === undefined || !/^[a-z]{2}(-[a-z]+)+-\d+$/.test(region)) {
    const given = region === undefined ? "none was given" : `${JSON.stringify(region)} is not the name of one`
    throw new Fault("cli/no-region", `a region of AWS is needed, and ${given}`, {
      hint: "for example --region eu-central-1, or AWS_REGION in the environment",
    })
  }
  const { awsProfile, endpoint } = options
  return {
    region,
    ...(awsProfile === undefined ? {} : { profile: awsProfile }),
    ...(endpoint === undefined ? {} : { endpoint }),
  }
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (seconds > 0 && seconds <= 60) return seconds
  throw new InvalidArgumentError("Expected seconds, more than 0 and at most 60.")
}
