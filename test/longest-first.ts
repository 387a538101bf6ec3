/** Begins with the test files that take longest, so that none of them is left to run alone at the end. */

import { BaseSequencer, type TestSpecification } from "vitest/node"

/** Of each project, as CI measured them; the rest follows as vitest has it, by what it remembers or by size. */
const LONGEST = [
  ...["jobs", "agent", "ec2", "uefi", "namespaces", "capture", "tutorial", "interrupted", "attestation"],
  ...["lifecycle", "export", "hardening", "live-control", "egress", "registry", "attack"],
].map((name) => `test/e2e/${name}.e2e.test.ts`)

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return sorted.toSorted((left, right) => groupOf(left) - groupOf(right) || rankOf(left) - rankOf(right))
  }
}

function groupOf({ project }: TestSpecification): number {
  return project.config.sequence.groupOrder
}

function rankOf({ moduleId }: TestSpecification): number {
  const found = LONGEST.findIndex((file) => moduleId.endsWith(`/${file}`))
  return found === -1 ? LONGEST.length : found
}
