/** Decides by a request's body where its head does not tell what it does: LFS asks to read and to write at one path. */

import { z } from "zod"
import type { BodyCheck } from "../../contract/egress-grant.ts"
import { reasonOf } from "../../contract/fault.ts"
import type { HeaderList, Refusal } from "../exchange.ts"

/**
 * No honest batch is larger: git-lfs asks for a hundred files at once, of a hundred bytes each. A machine may have
 * some five hundred requests under way, and each is in memory while its body is checked.
 */
export const MAX_CHECKED_BYTES = 128 * 1024

/** What git-lfs sends (its batch API's shape), and no key more: some servers take keys in any case. */
const lfsBatch = z.strictObject({
  operation: z.string(),
  transfers: z.array(z.string().max(40)).max(10).optional(),
  ref: z.strictObject({ name: z.string().max(300) }).nullish(),
  objects: z
    .array(z.strictObject({ oid: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) }))
    .max(1000),
  hash_algo: z.literal("sha256").optional(),
})

/** `body` is null when it was larger than may be read, or when there was none. */
export function refuseByBody(check: BodyCheck, headers: HeaderList, body: Buffer | null): Refusal | null {
  switch (check) {
    case "git-lfs-download": {
      const wrong = describeBadBatch(headers, body)
      return wrong === null ? null : refuse(wrong)
    }
    default:
      return check satisfies never
  }
}

function describeBadBatch(headers: HeaderList, body: Buffer | null): string | null {
  if (body === null) return `its body is missing, not whole, or larger than ${MAX_CHECKED_BYTES / 1024} KiB`
  if (headers.some(([name, value]) => name === "content-encoding" && value !== "identity")) {
    return "its body is encoded, so that it cannot be read"
  }
  let text: string
  let document: unknown
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body)
    document = JSON.parse(text)
  } catch (thrown) {
    return `its body is not JSON: ${reasonOf(thrown).slice(0, 100)}`
  }
  if (hasRepeatedKey(text)) return "its body names a key twice"
  const batch = lfsBatch.safeParse(document)
  if (!batch.success) return "its body is not a batch as git-lfs sends it"
  return batch.data.operation === "download" ? null : 'its operation is not "download"'
}

/** JSON.parse takes the last of two equal keys, another reader perhaps the first. `text` is JSON. */
function hasRepeatedKey(text: string): boolean {
  const open: Set<string>[] = []
  for (const [token, quoted, colon] of text.matchAll(/("(?:[^"\\]|\\.)*")\s*(:?)|[{}]/g)) {
    if (token === "{") open.push(new Set())
    else if (token === "}") open.pop()
    else if (colon === ":") {
      const key = String(JSON.parse(quoted ?? '""'))
      const keys = open.at(-1)
      if (keys?.has(key)) return true
      keys?.add(key)
    }
  }
  return false
}

function refuse(wrong: string): Refusal {
  return {
    status: 403,
    rule: "egress/git-lfs-write",
    reason: `only downloads may be asked of LFS here, and of this request that cannot be said: ${wrong}`,
    hint: "fetch large files by git lfs pull; whoever is to send some must do it outside this machine",
  }
}
