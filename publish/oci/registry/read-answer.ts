/** Reads an answer's body whole, up to a limit, and what a registry says of a failure. */

import { z } from "zod"
import { Fault } from "../../../contract/fault.ts"
import type { HttpAnswer } from "./transport.ts"

const failure = z.looseObject({
  errors: z.array(z.looseObject({ code: z.string().optional(), message: z.string().optional() })).min(1),
})
const MAX_FAILURE_BYTES = 65_536
const MAX_SHOWN = 300

/** Fault: `registry/too-long`. */
export async function readBytes({ body }: HttpAnswer, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > maxBytes) {
      body.destroy()
      throw new Fault("registry/too-long", `an answer of the registry has more than ${maxBytes} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

export async function readText(answer: HttpAnswer, maxBytes: number): Promise<string> {
  return (await readBytes(answer, maxBytes)).toString("utf8")
}

/** The registry's own words for a failure, or "" where it has none. */
export async function describeFailure(answer: HttpAnswer): Promise<string> {
  const text = await readText(answer, MAX_FAILURE_BYTES).catch(() => "")
  try {
    const [first] = failure.parse(JSON.parse(text)).errors
    return [first?.code, first?.message]
      .filter((part) => part !== undefined)
      .join(": ")
      .slice(0, MAX_SHOWN)
  } catch (thrown) {
    if (thrown instanceof SyntaxError || thrown instanceof z.ZodError) return ""
    throw thrown
  }
}
