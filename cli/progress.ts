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

type Environment = Readonly<Record<string, string | undefined>>

export function terminalProgress(
  stream: NodeJS.WriteStream,
  environment: Environment,
  now: () => number,
): Progress {
  const begin = canRedraw(stream, environment) ? openSpinner(stream) : drawLines(stream)
  const told = new WeakSet<object>()
  // one failure ends whatever runs beside it, and all that it was a part of: it is one step's own
  const isNews = (thrown: unknown) => {
    if (typeof thrown !== "object" || thrown === null) return true
    const news = !told.has(thrown)
    told.add(thrown)
    return news
  }
  return {
    async step(title, work) {
      const startedAtMs = now()
      const seconds = () => `${((now() - startedAtMs) / 1000).toFixed(1)} s`
      const drawing = await begin(title, seconds)
      try {
        const result = await work(drawing.note)
        drawing.end("done")
        return result
      } catch (thrown) {
        drawing.end(isNews(thrown) ? "failed" : "ended")
        throw thrown
      }
    },
  }
}

/**
 * A terminal that says it has no columns, as script(1) and some CI make it, keeps ora drawing for ever; one that cannot
 * move its cursor, or a log that poses as a terminal, would get a line for each change.
 */
function canRedraw(stream: NodeJS.WriteStream, environment: Environment): boolean {
  return stream.isTTY && stream.columns > 0 && environment["TERM"] !== "dumb" && !("CI" in environment)
}

type Begin = (title: string, seconds: () => string) => Drawing | Promise<Drawing>

interface Drawing {
  note(text: string): void
  end(how: "done" | "failed" | "ended"): void
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
      end: (how) => {
        running.splice(running.indexOf(step), 1)
        spinner.suffixText = ""
        const line = renderRow(shown(), noted === CACHED ? CACHED : seconds(), stream.columns)
        if (how === "done") spinner.succeed(line)
        else if (how === "failed") spinner.fail(line)
        else spinner.stopAndPersist({ symbol: "-", text: line })
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
      end: (how) => {
        clearTimeout(timer)
        if (late) stream.write(`${how}: ${shown} (${seconds()})\n`)
      },
    }
  }
}
