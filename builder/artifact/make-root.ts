/** Makes the root disk: an erofs file system followed by its dm-verity hash tree, in one file. */

import { createHash } from "node:crypto"
import { stat, truncate, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { Fault } from "../../contract/fault.ts"
import { runTool } from "../tools-tree.ts"
import { uuidOf } from "../uuid.ts"

export interface RootRequest {
  /** The sealed tree. */
  readonly tar: string
  /** Its sha256, from which salt and ids follow, so that the same tree gives the same disk. */
  readonly tarSha256: string
  readonly compression: "lz4hc" | "zstd"
  readonly toolsDir: string
  readonly dir: string
  readonly logFile: string
  readonly signal: AbortSignal
}

export interface RootRecord {
  readonly rootHash: string
  readonly salt: string
  readonly dataBlocks: number
}

const BLOCK_BYTES = 4096
/** Level 9 of zstd takes four times as long as level 3, for a sixteenth fewer bytes. */
const LEVELS = { lz4hc: 9, zstd: 3 } as const
/** Larger clusters make a smaller disk and a slower boot. */
const CLUSTER_BYTES = 65536

/** Leaves `root.verity` and `root.json` in the folder. */
export async function makeRoot(request: RootRequest): Promise<void> {
  const { dir } = request
  const image = join(dir, "root.verity")
  const tool = (
    purpose: string,
    command: readonly [string, ...string[]],
    inputs: Record<string, string> = {},
  ) => runTool(request.toolsDir, { ...request, purpose, workDir: dir, inputs, command })
  await tool(
    "the erofs root",
    [
      "mkfs.erofs",
      "--quiet",
      "--tar=f",
      `-z${request.compression},${LEVELS[request.compression]}`,
      `-C${CLUSTER_BYTES}`,
      "-T0",
      `-U${uuidOf(request.tarSha256)}`,
      "root.verity",
      `/in/tree/${basename(request.tar)}`,
    ],
    { tree: dirname(request.tar) },
  )
  const sizeBytes = (await stat(image)).size
  const dataBlocks = Math.ceil(sizeBytes / BLOCK_BYTES)
  if (dataBlocks * BLOCK_BYTES !== sizeBytes) await truncate(image, dataBlocks * BLOCK_BYTES)
  const salt = createHash("sha256").update(`stereo verity salt ${request.tarSha256}`).digest("hex")
  const printed = await tool("the dm-verity tree", [
    "veritysetup",
    ...["format", "--no-superblock", "--format=1", "--hash=sha256", `--salt=${salt}`],
    ...[
      `--data-block-size=${BLOCK_BYTES}`,
      `--hash-block-size=${BLOCK_BYTES}`,
      `--data-blocks=${dataBlocks}`,
    ],
    ...[`--hash-offset=${dataBlocks * BLOCK_BYTES}`, "root.verity", "root.verity"],
  ])
  const rootHash = /^Root hash:\s+([0-9a-f]{64})$/m.exec(printed)?.[1]
  if (!rootHash) throw new Fault("artifact/no-root-hash", `veritysetup printed no root hash:\n${printed}`)
  const record: RootRecord = { rootHash, salt, dataBlocks }
  await writeFile(join(dir, "root.json"), `${JSON.stringify(record, null, 1)}\n`)
}
