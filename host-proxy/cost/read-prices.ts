/** Reads the price tables of policies/prices/. */

import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { type PriceTable, priceTable } from "../../contract/price-table.ts"
import { parseToml } from "../../contract/toml.ts"

/** Faults: `prices/bad-toml`, `prices/bad-field`. */
export async function readPrices(dir: string): Promise<readonly PriceTable[]> {
  const files = (await readdir(dir)).filter((name) => name.endsWith(".toml")).sort()
  return Promise.all(
    files.map(async (name) => {
      const text = await readFile(join(dir, name), "utf8")
      return parseToml({ text, file: `policies/prices/${name}`, stage: "prices" }, priceTable)
    }),
  )
}
