/** `policies/prices/PROVIDER.toml`: what a provider asks per million tokens, with source and date. */

import { z } from "zod"

/** A decimal string in US dollars, for example "3.75": never a float. */
const usdPerMillion = z.string().regex(/^\d+(\.\d{1,6})?$/, 'expected US dollars as a string such as "3.75"')

export const priceTable = z.strictObject({
  provider: z.string(),
  /** Stamped on each cost row. */
  version: z.string(),
  models: z
    .array(
      z.strictObject({
        /** The response's model, exact or with a trailing `*` for dated snapshots. */
        model: z.string(),
        /** First day (UTC) on which the rate holds. */
        effective_from: z.iso.date(),
        source: z.string(),
        /** The largest prompt, cache included, for which the rate holds; a longer one is unpriced. */
        flat_up_to_tokens: z.int().positive().optional(),
        /** US dollars per million tokens by disjoint bucket; a bucket that is absent is unpriced, "0" is free. */
        rates: z.strictObject({
          input: usdPerMillion,
          cache_read: usdPerMillion.optional(),
          cache_write_5m: usdPerMillion.optional(),
          cache_write_1h: usdPerMillion.optional(),
          output: usdPerMillion,
        }),
      }),
    )
    .min(1),
})
export type PriceTable = z.infer<typeof priceTable>
