/** The fake provider as a program: `node test/fakes/provider-main.ts [--port N] [--replay DIR] [--script FILE]`. */

import { readFileSync } from "node:fs"
import { parseArgs } from "node:util"
import { z } from "zod"
import type { ModelScript } from "./model-script.ts"
import { openFakeProvider } from "./provider.ts"
import { readReplays } from "./replay.ts"

const step = z.strictObject({
  text: z.string(),
  tool: z.strictObject({ name: z.string(), input: z.record(z.string(), z.unknown()) }).exactOptional(),
})

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "0" },
    /** A folder of recorded turns. */
    replay: { type: "string" },
    /** A JSON file: an array of {text, tool?}. */
    script: { type: "string" },
  },
})
const replays = values.replay === undefined ? [] : readReplays(values.replay)
const script: { script?: ModelScript } =
  values.script === undefined
    ? {}
    : { script: z.array(step).parse(JSON.parse(readFileSync(values.script, "utf8"))) }

const provider = await openFakeProvider({ port: Number(values.port), replays, ...script })
process.stdout.write(`${provider.url}\n`)
for (const name of ["SIGINT", "SIGTERM"] as const) {
  process.once(name, () => void provider[Symbol.asyncDispose]())
}
