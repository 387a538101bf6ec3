/** Takes the build lock of the folder in its argument and keeps it until it is killed. */

import { openBuildLock } from "../../builder/build-lock.ts"

await openBuildLock(process.argv[2] ?? "", () => undefined, new AbortController().signal)
process.stdout.write("held\n")
setInterval(() => undefined, 60_000)
