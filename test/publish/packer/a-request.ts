/** An image as `stereo packer` is asked for it, unless a test says otherwise. */

import type { Manifest } from "../../../contract/manifest.ts"
import type { PackerRequest } from "../../../publish/packer/render-packer.ts"

/** Whatever else a manifest has to have is no part of what is rendered. */
export function aRequest(name: string, rest: Partial<PackerRequest> = {}): PackerRequest {
  const shape: Pick<Manifest, "name" | "profile" | "verity" | "resources"> = {
    name,
    profile: "strict",
    verity: { root_hash: "a".repeat(64), salt: "00", data_blocks: 1, block_size_bytes: 4096 },
    resources: { cpus: 2, memory_mib: 1024, disk_mib: 1024 },
  }
  return {
    manifest: shape as Manifest, // the renderer's view of it
    digest: "b".repeat(64),
    disk: { file: "base.raw", sha256: "c".repeat(64), sizeBytes: 1_200_000_000 },
    regions: ["eu-central-1", "us-east-1"],
    form: "plugins",
    ...rest,
  }
}
