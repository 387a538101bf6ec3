/** What both hops add to a request: the same client in the guest, against a server beside it and against the provider. */

import { readFileSync } from "node:fs"
import { join } from "node:path"
import { z } from "zod"
import { projectDir, type TestHome } from "../test/e2e/test-home.ts"
import { type Figure, summarise } from "./report.ts"

const samples = z.strictObject({ beside: z.array(z.number()), through: z.array(z.number()) })
const REQUESTS = 50

export async function benchOverhead(home: TestHome, providerUrl: string): Promise<readonly Figure[]> {
  await home.must(["up", "--name", "hops", join(projectDir, "bench/hops.toml")])
  const client = readFileSync(join(projectDir, "bench/guest/requests.mjs"))
  await home.must(["exec", "hops", "--", "sh", "-c", "cat > requests.mjs"], { input: client })
  const ran = await home.must(["exec", "hops", "--", "node", "requests.mjs", String(REQUESTS)])
  const { beside, through } = samples.parse(JSON.parse(ran.stdout))
  const direct = await timeDirect(providerUrl)
  await home.must(["rm", "-f", "hops"])
  const besideMs = summarise("request to a plain server beside the client in the guest", "ms", beside)
  const throughMs = summarise("request through both hops to the provider", "ms", through)
  const added = through.map((value) => value - besideMs.median)
  return [
    summarise("request from the host straight to the provider", "ms", direct),
    besideMs,
    throughMs,
    summarise("added by both hops", "ms", added),
  ]
}

async function timeDirect(providerUrl: string): Promise<number[]> {
  const body = JSON.stringify({ model: "claude-sonnet-4-6", messages: [] })
  const times: number[] = []
  for (let index = 0; index < REQUESTS; index += 1) {
    const startedAt = performance.now()
    await (await fetch(`${providerUrl}/v1/messages`, { method: "POST", body })).text()
    times.push(performance.now() - startedAt)
  }
  return times
}
