/** What tells AMIs of one image apart: by whose key the disk is signed for Secure Boot, and whose keys the firmware holds. */

import { createHash } from "node:crypto"
import type { Tag } from "@aws-sdk/client-ec2"

export interface SecureBoot {
  /** sha256 of the certificate, or of a kernel image that was signed elsewhere; a signature itself differs each time. */
  readonly signature: "none" | `certificate:${string}` | `uki:${string}`
  /** A variable store in EC2's own form, base64; null: firmware without keys, Secure Boot off. */
  readonly uefiData: string | null
}

export const NO_SECURE_BOOT: SecureBoot = { signature: "none", uefiData: null }

/** Of an AMI; one that has neither was registered before they were, and its firmware may hold keys or none. */
export const SECURE_BOOT_TAGS = {
  signature: "stereo:signature",
  /** sha256 of the variable store, or `none`. */
  uefiData: "stereo:uefi-data",
} as const

export function tagSecureBoot({ signature, uefiData }: SecureBoot): Tag[] {
  const store = uefiData === null ? "none" : sha256(Buffer.from(uefiData, "base64"))
  return [
    { Key: SECURE_BOOT_TAGS.signature, Value: signature },
    { Key: SECURE_BOOT_TAGS.uefiData, Value: store },
  ]
}

/** The end of an AMI's name; nothing without Secure Boot. */
export function nameSecureBoot(secureBoot: SecureBoot): string {
  const values = tagSecureBoot(secureBoot).map(({ Value }) => Value)
  return values.every((value) => value === "none") ? "" : `-${sha256(values.join("\n")).slice(0, 16)}`
}

/** Whether an AMI with these tags was registered so; without the tags it counts as one without Secure Boot. */
export function isRegisteredWith(tags: readonly Tag[], secureBoot: SecureBoot): boolean {
  return tagSecureBoot(secureBoot).every(({ Key, Value }) => {
    const found = tags.find((tag) => tag.Key === Key)
    return (found?.Value ?? "none") === Value
  })
}

function sha256(data: string | Buffer): string {
  return createHash("sha256").update(data).digest("hex")
}
