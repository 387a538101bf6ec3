/** A machine's record from image, card and command line; pure, so that who wins over whom can be read and tested. */

import { type Card, machineName } from "../../contract/card.ts"
import { Fault } from "../../contract/fault.ts"
import type { MachineRecord, ProcessRef } from "../../contract/machine-record.ts"
import type { Manifest } from "../../contract/manifest.ts"
import type { ProviderDefinition } from "../../contract/provider-definition.ts"
import type { MintedSecrets } from "./mint-secrets.ts"

export interface RecordInputs {
  readonly card: Card
  readonly image: { readonly name: string; readonly dir: string; readonly manifest: Manifest }
  readonly providers: readonly ProviderDefinition[]
  readonly secrets: MintedSecrets
  readonly accelerator: MachineRecord["accelerator"]
  readonly runId: string
  readonly createdAt: string
  readonly owner: ProcessRef
  readonly ephemeral: boolean
  /** From the command line; each wins over the card. */
  readonly asked: { readonly name?: string; readonly team?: string; readonly project?: string }
}

export function planRecord(inputs: RecordInputs): MachineRecord {
  const { card, image, asked } = inputs
  refuseBadNames(asked)
  if (image.manifest.site !== undefined) throw forElsewhere(image.name)
  const { resources } = image.manifest
  const budget = card.egress.budget_mib ?? image.manifest.egress.budget_mib
  return {
    schema: 1,
    name: asked.name ?? card.name ?? inventName(image.name, inputs.runId),
    runId: inputs.runId,
    image: {
      name: image.name,
      plan: image.manifest.plan,
      rootHash: image.manifest.verity.root_hash,
      measurements: {
        rulesetSha256: image.manifest.measurements.ruleset_sha256,
        unitsSha256: image.manifest.measurements.units_sha256,
      },
      dir: image.dir,
    },
    accelerator: inputs.accelerator,
    isolation: inputs.accelerator === "kvm" ? "hardware" : "none",
    state: "starting",
    failure: null,
    owner: inputs.owner,
    ephemeral: inputs.ephemeral,
    qemu: null,
    createdAt: inputs.createdAt,
    team: asked.team ?? card.team ?? "default",
    project: asked.project ?? card.project ?? "default",
    resources: {
      cpus: card.resources.cpus ?? resources.cpus,
      memoryMib: card.resources.memory_mib ?? resources.memory_mib,
      diskMib: card.resources.disk_mib ?? resources.disk_mib,
    },
    egressSets: [...new Set([...image.manifest.egress.sets, ...card.egress.sets])],
    ...(budget === undefined ? {} : { egressBudgetMib: budget }),
    env: planEnvironment(inputs),
    placeholders: inputs.secrets.placeholders,
    ssh: inputs.secrets.ssh,
  }
}

/** Image, then card, then placeholders; a card may not set a variable that stands for a credential. */
function planEnvironment(inputs: RecordInputs): Record<string, string> {
  const env = { ...inputs.image.manifest.env, ...inputs.card.env }
  for (const { name, placeholder } of inputs.providers) {
    if (placeholder.environment in inputs.card.env) throw credentialInCard(name, placeholder.environment)
    const value = inputs.secrets.placeholders[name]
    if (value !== undefined) env[placeholder.environment] = value
  }
  return env
}

function forElsewhere(image: string): Fault {
  return new Fault(
    "image/for-elsewhere",
    `the image ${image} is for a cloud: no host can reach into it here`,
    {
      hint: `start it there: stereo up --on ec2 ${image}; or build it without --profile for a machine of this host`,
    },
  )
}

function credentialInCard(provider: string, variable: string): Fault {
  return new Fault(
    "card/holds-credential",
    `the card's env sets ${variable}, which in the guest is always a placeholder for ${provider}'s credential`,
    { hint: "take it out of the card; the real one belongs into host.toml on the host" },
  )
}

/** Such as `base-7k2f9q`: the run id's random part, and within the 32 characters that a name may have. */
function inventName(image: string, runId: string): string {
  return `${image.slice(0, 25).replace(/-+$/, "")}-${runId.slice(-6)}`
}

/** The card's own names were checked with it. */
function refuseBadNames(asked: RecordInputs["asked"]): void {
  const name = machineName.safeParse(asked.name ?? "unnamed")
  if (!name.success) {
    const reason = name.error.issues[0]?.message ?? "not a name"
    throw new Fault("machine/bad-name", `--name ${JSON.stringify(asked.name)}: ${reason}`, {
      hint: "for example --name reviewer-2",
    })
  }
  for (const key of ["team", "project"] as const) {
    if (asked[key]?.trim() === "") {
      throw new Fault("machine/bad-name", `--${key} is empty; expected a name`, {
        hint: `leave --${key} out to have "default"`,
      })
    }
  }
}
