/** Builds the images once for all end-to-end tests, or finds them built. */

import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { projectDir, sharedHome } from "./test-home.ts"

export function setup(): void {
  for (const command of [["setup"], ["build", "base"], ["build", "coder"]]) {
    const result = spawnSync(join(projectDir, "stereo"), [...command, "--relock"], {
      env: { ...process.env, STEREO_HOME: sharedHome },
      stdio: ["ignore", "inherit", "inherit"],
    })
    if (result.status !== 0) throw new Error(`stereo ${command.join(" ")} ended with ${result.status}`)
  }
}
