/** `stereo images verify`: whether an image is what somebody who is trusted signed, down to the last byte. */

import { readFile } from "node:fs/promises"
import { basename } from "node:path"
import type { Command } from "commander"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { jsonText } from "../../contract/json-text.ts"
import type { PublicKey } from "../../trust/public-key.ts"
import type { KeylessExpectation } from "../../trust/sigstore/verify-bundle.ts"
import type { Verification, VerifiedImage, Voucher } from "../../trust/verification.ts"
import type { CliContext } from "../context.ts"
import { printableLine } from "../printable-line.ts"

interface VerifyOptions {
  readonly key?: string
  readonly trustedRoot?: string
  readonly identity?: string
  readonly issuer?: string
  readonly json?: boolean
}

const HELP = `
Checked are the signature and what it speaks of, the size and sha256 of every file, the root hash of the root disk
(computed anew), what a machine will be measured against, and that the bills of material leave nothing out. \`up\` and
\`run\` check the same of every file but the root disk, whose blocks the kernel checks as it reads them.

Exit codes: 0 verified, 2 not verified, 1 it could not be found out, 64 usage.

Examples:
  $ stereo images verify base
  $ stereo images verify base --key ci.pub --json`

export function addVerifyCommand(images: Command, context: CliContext): void {
  images
    .command("verify")
    .description(
      "check an image's signature and every byte of it; exit code 2 when something is not as signed",
    )
    .argument("<image>", "a name, a digest, or at least 6 digits of its beginning")
    .option("--key <file>", "the one public key that counts (default: those of `stereo keys`)")
    .option("--trusted-root <file>", "check the Sigstore bundle, too: a trusted_root.json")
    .option("--identity <name>", "whom the bundle's certificate must name")
    .option("--issuer <url>", "who must have vouched for that identity")
    .option("--json", "print as JSON")
    .addHelpText("after", HELP)
    .action((reference: string, options: VerifyOptions) => verify(context, reference, options))
}

async function verify(context: CliContext, reference: string, options: VerifyOptions): Promise<void> {
  const { findImageFolder } = await import("../../builder/find-image-folder.ts")
  const { verifyImage } = await import("../../trust/verify-image.ts")
  const { dir, name } = await findImageFolder(context.home, reference)
  const keyless = await readExpectation(options)
  const keys = await readKeys(context, options)
  const verification = await context.progress.step(`Verifying ${reference}`, () =>
    verifyImage({
      ...{ dir, digest: basename(dir), storedName: name, keys, depth: "all" },
      ...(keyless === null ? {} : { keyless }),
    }),
  )
  if (verification.kind === "refused") context.exitWith(2)
  context.print(options.json ? jsonText(toJson(verification)) : render(reference, verification))
}

async function readKeys(context: CliContext, { key }: VerifyOptions): Promise<readonly PublicKey[]> {
  if (key === undefined) {
    const { readTrustedKeys } = await import("../../trust/trusted-keys.ts")
    return readTrustedKeys(context.home)
  }
  const { parsePublicKey } = await import("../../trust/public-key.ts")
  return [parsePublicKey(await readText(key), basename(key), key)]
}

async function readExpectation(options: VerifyOptions): Promise<KeylessExpectation | null> {
  const { trustedRoot, identity, issuer } = options
  if (trustedRoot === undefined && identity === undefined && issuer === undefined) return null
  if (trustedRoot !== undefined && identity !== undefined && issuer !== undefined) {
    return { trustedRoot: await readText(trustedRoot), identity, issuer }
  }
  throw new Fault(
    "image/half-identity",
    "a Sigstore bundle is checked against three things, and not all are given",
    {
      hint: "give --trusted-root, --identity and --issuer together",
    },
  )
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8")
  } catch (cause) {
    throw new Fault("keys/no-file", `${file} cannot be read: ${reasonOf(cause)}`, {
      hint: "`stereo keys show NAME > FILE` writes a trusted key; a trusted_root.json is what Sigstore hands out",
      cause,
    })
  }
}

function toJson(verification: Verification) {
  if (verification.kind === "refused") {
    const { digest, findings } = verification
    return { verified: false, digest, findings }
  }
  const { digest, manifest, vouchers, statement } = verification
  const { resolvedDependencies } = statement.predicate.buildDefinition
  const { metadata, builder } = statement.predicate.runDetails
  return {
    verified: true,
    digest,
    name: manifest.name,
    rootHash: manifest.verity.root_hash,
    vouchers,
    built: { ...metadata, builder },
    project: resolvedDependencies.find(({ name }) => name === "project") ?? null,
    findings: [],
  }
}

function render(reference: string, verification: Verification): string {
  if (verification.kind === "verified") return renderVerified(reference, verification)
  const rows = verification.findings.map(({ kind, file, reason }) => {
    return `  ${kind.padEnd(18)}  ${printableLine(file, 80)}: ${printableLine(reason, 400)}`
  })
  return `${reference}: NOT verified\n${rows.join("\n")}\n`
}

function renderVerified(reference: string, { digest, manifest, vouchers, statement }: VerifiedImage): string {
  const { resolvedDependencies } = statement.predicate.buildDefinition
  const project = resolvedDependencies.find(({ name }) => name === "project")
  const commit = project?.digest["gitCommit"]
  const state = project?.annotations?.["dirty"] === true ? ", with changes that are in no commit" : ""
  const files = Object.keys(manifest.files).length
  return [
    `${reference}: verified`,
    ...vouchers.map((voucher) => `  signed by  ${describeVoucher(voucher)}`),
    `  manifest   sha256 ${digest}`,
    `  files      ${files}, all as signed; root hash ${manifest.verity.root_hash}`,
    `  built      ${statement.predicate.runDetails.metadata.finishedOn}`,
    `  from       ${commit === undefined ? "a project that is no git checkout" : `commit ${commit}${state}`}`,
    "",
  ].join("\n")
}

function describeVoucher(voucher: Voucher): string {
  if (voucher.kind === "key") return `key ${voucher.name} (${voucher.id.slice(0, 16)})`
  return `${printableLine(voucher.identity, 200)}, by ${printableLine(voucher.issuer, 200)}`
}
