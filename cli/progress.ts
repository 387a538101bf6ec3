/** Draws steps on standard error: a list with times on a terminal; elsewhere a line for each that takes over two seconds. */

import { stripVTControlCharacters } from "node:util"
import type { Progress } from "../contract/progress.ts"

/** Off a terminal, a step that is done sooner says nothing. */
const QUIET_MS = 2000
/** What a step notes whose result was there already; it stands where the time would. */
const CACHED = "cached"
/** Of a title; what is longer goes on. */
const TITLE_COLUMNS = 60

export function terminalProgress(stream: NodeJS.WriteStream, now: () => number): Progress {
  return {
    async step(title, work) {
      const startedAtMs = now()
      const seconds = () => `${((now() - startedAtMs) / 1000).toFixed(1)} s`
      // a terminal that says it has no columns, as script(1) and some CI make it, keeps ora drawing for ever
      const drawing =
        stream.isTTY && stream.columns > 0
          ? await drawSpinner(stream, title, seconds)
          : drawLines(stream, title, seconds)
      try {
        const result = await work(drawing.note)
        drawing.end(true)
        return result
      } catch (thrown) {
        drawing.end(false)
        throw thrown
      }
    },
  }
}

interface Drawing {
  note(text: string): void
  end(succeeded: boolean): void
}

/** The step that runs turns and counts its seconds; those that are done stay above it, a line each. */
async function drawSpinner(
  stream: NodeJS.WriteStream,
  title: string,
  seconds: () => string,
): Promise<Drawing> {
  const { default: ora } = await import("ora")
  let noted = ""
  const shown = () => (noted === "" || noted === CACHED ? title : `${title}: ${noted}`)
  const spinner = ora({ text: title, suffixText: seconds, stream, discardStdin: false })
  spinner.start()
  return {
    note: (text) => {
      noted = text
      spinner.text = shown()
    },
    end: (succeeded) => {
      spinner.suffixText = ""
      const line = renderRow(shown(), noted === CACHED ? CACHED : seconds(), stream.columns)
      if (succeeded) spinner.succeed(line)
      else spinner.fail(line)
    },
  }
}

/** Times stand below each other, as far right as the terminal lets them. */
function renderRow(title: string, time: string, columns: number): string {
  const plain = stripVTControlCharacters(title)
  const width = Math.min(TITLE_COLUMNS, Math.max(20, columns - 14))
  return `${plain.padEnd(width)} ${time.padStart(8)}`
}

function drawLines(stream: NodeJS.WriteStream, title: string, seconds: () => string): Drawing {
  let shown = title
  let late = false
  const timer = setTimeout(() => {
    late = true
    stream.write(`${shown} …\n`)
  }, QUIET_MS).unref()
  return {
    note: (text) => {
      shown = `${title}: ${text}`
    },
    end: (succeeded) => {
      clearTimeout(timer)
      if (late) stream.write(`${succeeded ? "done" : "failed"}: ${shown} (${seconds()})\n`)
    },
  }
}
