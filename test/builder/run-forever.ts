/** Runs a command without end, which writes its process id to the file in the argument. */

import { run } from "../../builder/run.ts"

const file = process.argv[2] ?? ""
await run({
  command: ["sh", "-c", `echo $$ > ${file}; exec sleep 600`],
  purpose: "a test",
  logFile: `${file}.log`,
  signal: new AbortController().signal,
})
