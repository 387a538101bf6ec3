/** Draws steps on standard error: a spinner on a terminal, plain lines with times elsewhere. */

import ora from "ora"
import type { Progress } from "../contract/progress.ts"

export function terminalProgress(stream: NodeJS.WriteStream, now: () => number): Progress {
  return {
    async step(title, work) {
      const startedAtMs = now()
      const spinner = ora({ text: title, stream, discardStdin: false, hideCursor: stream.isTTY === true })
      spinner.start()
      const seconds = () => `${((now() - startedAtMs) / 1000).toFixed(1)} s`
      let shown = title
      const note = (text: string) => {
        shown = `${title}: ${text}`
        spinner.text = shown
      }
      try {
        const result = await work(note)
        spinner.succeed(`${shown} (${seconds()})`)
        return result
      } catch (thrown) {
        spinner.fail(`${shown} (${seconds()})`)
        throw thrown
      }
    },
  }
}
