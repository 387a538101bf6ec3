/** Draws steps on standard error: a spinner on a terminal; elsewhere a line for each that takes over two seconds. */

import type { Progress } from "../contract/progress.ts"

/** Off a terminal, a step that is done sooner says nothing. */
const QUIET_MS = 2000

export function terminalProgress(stream: NodeJS.WriteStream, now: () => number): Progress {
  return {
    async step(title, work) {
      const startedAtMs = now()
      const drawing = stream.isTTY ? await drawSpinner(stream, title) : drawLines(stream, title)
      const seconds = () => `${((now() - startedAtMs) / 1000).toFixed(1)} s`
      let shown = title
      const note = (text: string) => {
        shown = `${title}: ${text}`
        drawing.note(shown)
      }
      try {
        const result = await work(note)
        drawing.end(true, `${shown} (${seconds()})`)
        return result
      } catch (thrown) {
        drawing.end(false, `${shown} (${seconds()})`)
        throw thrown
      }
    },
  }
}

interface Drawing {
  note(text: string): void
  end(succeeded: boolean, text: string): void
}

async function drawSpinner(stream: NodeJS.WriteStream, title: string): Promise<Drawing> {
  const { default: ora } = await import("ora")
  const spinner = ora({ text: title, stream, discardStdin: false })
  spinner.start()
  return {
    note: (text) => {
      spinner.text = text
    },
    end: (succeeded, text) => void (succeeded ? spinner.succeed(text) : spinner.fail(text)),
  }
}

function drawLines(stream: NodeJS.WriteStream, title: string): Drawing {
  let shown = title
  let late = false
  const timer = setTimeout(() => {
    late = true
    stream.write(`${shown} …\n`)
  }, QUIET_MS).unref()
  return {
    note: (text) => {
      shown = text
    },
    end: (succeeded, text) => {
      clearTimeout(timer)
      if (late) stream.write(`${succeeded ? "done" : "failed"}: ${text}\n`)
    },
  }
}
