/** What both hops add to a request: the same client in the guest, against a server beside it and against the provider. */

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { z } from "zod"
import { projectDir, type TestHome } from "../test/e2e/test-home.ts"
import { STREAMS } from "./host-path.ts"
import { type Figure, summarise } from "./report.ts"

const series = z.strictObject({ times: z.array(z.number()), perSecond: z.number() })
const samples = z.array(z.strictObject({ streams: z.int(), beside: series, through: series }))
const REQUESTS = 50

export async function benchOverhead(home: TestHome): Promise<readonly Figure[]> {
  await home.must(["up", "--name", "hops", join(projectDir, "bench/hops.toml")])
  const client = readFileSync(join(projectDir, "bench/guest/requests.mjs"))
  await home.must(["exec", "hops", "--", "sh", "-c", "cat > requests.mjs"], { input: client })
  const words = ["node", "requests.mjs", String(REQUESTS), ...STREAMS.map(String)]
  const ran = await home.must(["exec", "hops", "--", ...words])
  await home.must(["rm", "-f", "hops"])
  return samples.parse(JSON.parse(ran.stdout)).flatMap(({ streams, beside, through }) => {
    const besideMs = summarise(`guest to a server beside it, ${streams} at a time`, "ms", beside.times)
    const throughMs = summarise(`guest to the provider, ${streams} at a time`, "ms", through.times)
    const added = through.times.map((value) => value - besideMs.median)
    return [
      besideMs,
      throughMs,
      summarise(`  added by both hops, ${streams} at a time`, "ms", added),
      summarise(`  requests a second, ${streams} at a time`, "/s", [through.perSecond]),
    ]
  })
}
