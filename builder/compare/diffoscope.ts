/** Runs the host's diffoscope on two files, if it has one: confined, for a limited time, and shows its first lines. */

import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { attempt, type RunRequest } from "../run.ts"

export interface Diffoscope {
  /** Says of two files what differs, a line each; nothing where it is not here. `name` is how both are called. */
  compare(name: string, contents: { readonly before: Buffer; readonly after: Buffer }): Promise<string[]>
  isHere(): Promise<boolean>
  /** Once it was asked for: why it says nothing; null: it does, or nobody asked. */
  lacking(): string | null
}

export interface DiffoscopeRequest extends Pick<RunRequest, "logFile" | "signal"> {
  /** The one folder that it may write. */
  readonly workDir: string
  /** For each pair. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 60_000
const SHOWN_LINES = 40
/** Of each block of a diff, so that one does not hide the next. */
const BLOCK_LINES = 16
const LINE_CHARACTERS = 160
const REPORT_BYTES = 65_536

export function openDiffoscope(request: DiffoscopeRequest): Diffoscope {
  const { workDir, logFile, timeoutMs = TIMEOUT_MS } = request
  let lack: Promise<string | null> | undefined
  let found: string | null = null
  const isHere = async () => {
    lack ??= findLack(request)
    found = await lack
    return found === null
  }
  return {
    isHere,
    lacking: () => found,
    async compare(name, contents) {
      if (!(await isHere())) return []
      await place(join(workDir, "before", name), contents.before)
      await place(join(workDir, "after", name), contents.after)
      const words = diffoscopeWords(join("before", name), join("after", name))
      const deadline = AbortSignal.timeout(timeoutMs)
      try {
        const signal = AbortSignal.any([request.signal, deadline])
        const { stdout, output } = await attempt(confined({ ...request, signal }, words))
        return shorten(stdout === "" ? output : stdout, logFile)
      } catch (thrown) {
        if (request.signal.aborted || !deadline.aborted) throw thrown
        return [`diffoscope was ended after ${timeoutMs / 1000} s: it had not finished`]
      }
    },
  }
}

/** Null: it runs. */
async function findLack(request: DiffoscopeRequest): Promise<string | null> {
  await mkdir(request.workDir, { recursive: true })
  const { succeeded, output } = await attempt(confined(request, ["diffoscope", "--version"]))
  if (succeeded) return null
  if (/No such file/.test(output))
    return "diffoscope is not installed, so contents are not compared: apt install diffoscope-minimal"
  return `diffoscope does not run here, so contents are not compared: ${output.trimEnd().split("\n").at(-1)}`
}

function diffoscopeWords(before: string, after: string): [string, ...string[]] {
  return [
    ...([
      "diffoscope",
      "--no-progress",
      "--text-color",
      "never",
      "--exclude-directory-metadata=yes",
    ] as const),
    ...["--max-diff-block-lines", String(BLOCK_LINES), "--max-text-report-size", String(REPORT_BYTES)],
    ...["--text", "-", before, after],
  ]
}

/** It runs a parser for every format there is, and the image may be somebody else's: no network, nothing to write. */
function confined(
  { workDir, logFile, signal }: DiffoscopeRequest,
  command: [string, ...string[]],
): RunRequest {
  const within = [
    ...["bwrap", "--unshare-all", "--die-with-parent", "--new-session"],
    ...["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--bind", workDir, workDir],
    ...["--chdir", workDir, "--setenv", "TMPDIR", workDir, "--setenv", "HOME", workDir],
    ...["--setenv", "LC_ALL", "C.UTF-8", "--"],
  ]
  return { command, within, purpose: "what differs", logFile, signal }
}

async function place(file: string, bytes: Buffer): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, bytes)
}

function shorten(text: string, logFile: string): string[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "")
  const rest = lines.length - SHOWN_LINES
  const more = rest > 0 ? [`… ${rest} lines more: ${logFile} has them`] : []
  return [...lines.slice(0, SHOWN_LINES).map(cut), ...more]
}

function cut(line: string): string {
  return line.length <= LINE_CHARACTERS ? line : `${line.slice(0, LINE_CHARACTERS - 1)}…`
}
