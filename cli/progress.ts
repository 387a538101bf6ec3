/** Draws steps on standard error: a list with times on a terminal; elsewhere a line for each that takes over two seconds. */

import { stripVTControlCharacters } from "node:util"
import type { Ora } from "ora"
import type { Progress } from "../contract/progress.ts"

/** Off a terminal, a step that is done sooner says nothing. */
const QUIET_MS = 2000
/** What a step notes whose result was there already; it stands where the time would. */
const CACHED = "cached"
/** Of a title; what is longer goes on. */
const TITLE_COLUMNS = 60

export function terminalProgress(stream: NodeJS.WriteStream, now: () => number): Progress {
  // a terminal that says it has no columns, as script(1) and some CI make it, keeps ora drawing for ever
  const begin = stream.isTTY && stream.columns > 0 ? openSpinner(stream) : drawLines(stream)
  return {
    async step(title, work) {
      const startedAtMs = now()
      const seconds = () => `${((now() - startedAtMs) / 1000).toFixed(1)} s`
      const drawing = await begin(title, seconds)
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

type Begin = (title: string, seconds: () => string) => Drawing | Promise<Drawing>

interface Drawing {
  note(text: string): void
  end(succeeded: boolean): void
}

interface Running {
  readonly shown: () => string
  readonly seconds: () => string
}

/** Steps that run count their seconds, the first of them turns; those that are done stay above them, a line each. */
function openSpinner(stream: NodeJS.WriteStream): Begin {
  let loaded: Promise<Ora> | undefined
  const running: Running[] = []
  return async (title, seconds) => {
    loaded ??= import("ora").then(({ default: ora }) => ora({ stream, discardStdin: false }))
    const spinner = await loaded
    let noted = ""
    const shown = () => (noted === "" || noted === CACHED ? title : `${title}: ${noted}`)
    const step: Running = { shown, seconds }
    running.push(step)
    drawRunning(spinner, running)
    return {
      note: (text) => {
        noted = text
        drawRunning(spinner, running)
      },
      end: (succeeded) => {
        running.splice(running.indexOf(step), 1)
        spinner.suffixText = ""
        const line = renderRow(shown(), noted === CACHED ? CACHED : seconds(), stream.columns)
        if (succeeded) spinner.succeed(line)
        else spinner.fail(line)
        drawRunning(spinner, running)
      },
    }
  }
}

function drawRunning(spinner: Ora, [first, ...others]: readonly Running[]): void {
  if (first === undefined) return
  spinner.text = first.shown()
  spinner.suffixText = () =>
    [first.seconds(), ...others.map((one) => `  ${one.shown()} ${one.seconds()}`)].join("\n")
  if (!spinner.isSpinning) spinner.start()
}

/** Times stand below each other, as far right as the terminal lets them. */
function renderRow(title: string, time: string, columns: number): string {
  const plain = stripVTControlCharacters(title)
  const width = Math.min(TITLE_COLUMNS, Math.max(20, columns - 14))
  return `${plain.padEnd(width)} ${time.padStart(8)}`
}

function drawLines(stream: NodeJS.WriteStream): Begin {
  return (title, seconds) => {
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
}
