/** Bundles a program of the guest into one file, names kept, so that its stack traces can be read. */

import { build } from "esbuild"
import { Fault, reasonOf } from "../../contract/fault.ts"

/** Some CommonJS packages call require(); an ES module has none unless it is made. */
const BANNER =
  'import { createRequire as stereoRequire } from "node:module"; const require = stereoRequire(import.meta.url);'

export interface Bundle {
  readonly bytes: Buffer
  /** Every file that went in, as esbuild names it: from the project's folder on. */
  readonly inputs: readonly string[]
}

export async function bundleProgram(projectDir: string, entry: string): Promise<Bundle> {
  try {
    const result = await build({
      absWorkingDir: projectDir,
      entryPoints: [entry],
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node24",
      banner: { js: BANNER },
      legalComments: "none",
      write: false,
      metafile: true,
      logLevel: "silent",
    })
    const bytes = Buffer.from(result.outputFiles[0]?.contents ?? new Uint8Array())
    return { bytes, inputs: Object.keys(result.metafile.inputs).sort() }
  } catch (cause) {
    throw new Fault("image/bad-program", `${entry} does not bundle: ${reasonOf(cause)}`, { cause })
  }
}
