/** Compares what a guest measured with what its image's manifest promised. Pure. */

import { canonicalRuleset, digestRuleset } from "../../contract/canonical-ruleset.ts"
import { reasonOf } from "../../contract/fault.ts"
import type { AttestationState, Measured, MeasuredRoot } from "../../contract/measurement.ts"
import { digestUnitSet, renderUnitSet } from "../../contract/unit-set.ts"
import { describeRulesetDifferences, describeUnitDifferences } from "./describe-differences.ts"

export interface Expected {
  readonly image: string
  readonly digests: AttestationState["expected"]
  /** The texts behind the digests, for words; null when the image's folder no longer has them. */
  readonly ruleset: string | null
  readonly units: string | null
  /** The disks under the root, as the guest's kernel calls them; absent: the one that stereo gives a machine. */
  readonly disks?: RegExp
}

export interface Mismatch {
  readonly rule: "attestation/ruleset" | "attestation/root" | "attestation/units" | "attestation/boot"
  readonly reason: string
}

export interface Judgement {
  readonly found: AttestationState["expected"]
  /** Null: the machine is what was promised. */
  readonly mismatch: Mismatch | null
}

/** The first virtio disk is the root. */
const STEREOS_DISK = /^vda$/
/** systemd itself puts the machine's id over the image's empty file. */
const COVERED_BY_SYSTEMD = ["/etc/machine-id"]

/** `bootId` is what this run said before; null when it has not. */
export function judgeMeasurement(
  expected: Expected,
  measured: Measured,
  bootId: string | null = null,
): Judgement {
  const ruleset = readRuleset(measured.ruleset)
  const units = renderUnitSet(measured.units)
  const found = {
    rootHash: measured.root.hash,
    rulesetSha256: ruleset.sha256,
    unitsSha256: digestUnitSet(units),
  }
  const { digests, image } = expected
  if (bootId !== null && measured.bootId !== bootId) {
    // QEMU ends with the guest's first boot, so whatever runs now was not started by it
    const reason = `the guest has booted anew: boot id ${JSON.stringify(bootId)} became ${JSON.stringify(measured.bootId)}`
    return { found, mismatch: { rule: "attestation/boot", reason } }
  }
  const root = findRootFault(expected, measured.root)
  if (root !== null) {
    const reason = `the root file system is not the one of image ${image}: ${root}`
    return { found, mismatch: { rule: "attestation/root", reason } }
  }
  if (found.rulesetSha256 !== digests.rulesetSha256) {
    const words =
      ruleset.text === null
        ? ruleset.problem
        : describeIf(expected.ruleset, ruleset.text, describeRulesetDifferences)
    const reason = differs("packet filter", image, digests.rulesetSha256, found.rulesetSha256, words)
    return { found, mismatch: { rule: "attestation/ruleset", reason } }
  }
  if (found.unitsSha256 !== digests.unitsSha256) {
    const words = describeIf(expected.units, units, describeUnitDifferences)
    const reason = differs("set of units", image, digests.unitsSha256, found.unitsSha256, words)
    return { found, mismatch: { rule: "attestation/units", reason } }
  }
  if (measured.changed) {
    const reason = "the packet filter was changed while the machine ran, and is as promised again"
    return { found, mismatch: { rule: "attestation/ruleset", reason } }
  }
  return { found, mismatch: null }
}

type ReadRuleset =
  | { readonly text: string; readonly sha256: string }
  | { readonly text: null; readonly sha256: string; readonly problem: string }

/** A guest may send anything in place of a listing; that is no listing which anybody promised. */
function readRuleset(listing: unknown): ReadRuleset {
  try {
    const text = canonicalRuleset(listing)
    return { text, sha256: digestRuleset(text) }
  } catch (thrown) {
    return { text: null, sha256: "unreadable", problem: reasonOf(thrown) }
  }
}

function findRootFault({ digests, disks = STEREOS_DISK }: Expected, root: MeasuredRoot): string | null {
  const hash = digests.rootHash
  if (root.hash !== hash) return `expected root hash ${hash}, found ${root.hash || "none"}`
  if (!/^erofs \/dev\/mapper\/root ro$/.test(root.mount)) return `/ is ${JSON.stringify(root.mount)}`
  const under = /^dm root ro on (\S+)$/.exec(root.device)?.[1]
  if (under === undefined || !disks.test(under)) return `under / lies ${JSON.stringify(root.device)}`
  const covered = root.covered.filter((path) => !COVERED_BY_SYSTEMD.includes(path))
  return covered.length === 0 ? null : `mounted over a part of it: ${JSON.stringify(covered.slice(0, 3))}`
}

function differs(what: string, image: string, expected: string, found: string, words: string): string {
  const digests = `expected ${expected}, found ${found}`
  return `the ${what} is not the one that image ${image} promises: ${digests}${words === "" ? "" : `; ${words}`}`
}

function describeIf(
  expected: string | null,
  found: string,
  describe: (expected: string, found: string) => string,
): string {
  return expected === null ? "" : describe(expected, found)
}
