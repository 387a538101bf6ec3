/** A STEREO_HOME of a test's own that shares tools, caches and images with the usual one. */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { homedir, tmpdir } from "node:os"
import { join, resolve } from "node:path"

export const projectDir = resolve(import.meta.dirname, "../..")

/** Where `make setup` and the image builds put what all tests share. */
export const sharedHome = resolve(process.env["STEREO_HOME"] ?? join(homedir(), ".local", "share", "stereo"))

export interface CommandResult {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
  readonly bytes: Buffer
}

export interface CommandOptions {
  readonly input?: string | Buffer
  readonly timeoutMs?: number
  readonly environment?: Readonly<Record<string, string>>
}

export interface TestHome extends AsyncDisposable {
  readonly root: string
  /** Runs `stereo ARGS` to its end; never rejects for an exit code. */
  stereo(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** The same, but the exit code must be 0; the error shows what was printed. */
  must(args: readonly string[], options?: CommandOptions): Promise<CommandResult>
  /** The same, with the output parsed as JSON. */
  json(args: readonly string[], options?: CommandOptions): Promise<unknown>
  /** Runs `stereo ARGS` with its output on this terminal; the exit code must be 0. */
  watch(args: readonly string[]): Promise<void>
  /** Starts `stereo ARGS` and leaves it running, with pipes on its standard streams. */
  start(args: readonly string[], more?: Readonly<Record<string, string>>): ChildProcessWithoutNullStreams
}

/**
 * Makes the home and writes `host.toml` with mode 0600. Disposing it ends its machines and its host service,
 * and removes it; a home in a folder of the caller's choice stays, for people to look at.
 */
export function openTestHome(
  hostToml: string,
  dir?: string,
  share: readonly string[] = ["tools", "cache", "images", "keys"],
): TestHome {
  const root = dir ?? mkdtempSync(join(tmpdir(), "stereo-e2e-"))
  for (const shared of share) {
    mkdirSync(join(sharedHome, shared), { recursive: true })
    mkdirSync(root, { recursive: true })
    if (!existsSync(join(root, shared))) symlinkSync(join(sharedHome, shared), join(root, shared))
  }
  writeFileSync(join(root, "host.toml"), hostToml, { mode: 0o600 })
  const environment = { ...process.env, STEREO_HOME: root }
  const stereo = (args: readonly string[], options: CommandOptions = {}) =>
    runStereo(args, environment, options)
  const must = async (args: readonly string[], options: CommandOptions = {}) => {
    const result = await stereo(args, options)
    if (result.code === 0) return result
    throw new Error(
      `stereo ${args.join(" ")} ended with ${result.code ?? result.signal}\n${result.stdout}${result.stderr}`,
    )
  }
  return {
    root,
    stereo,
    must,
    json: async (args, options) => JSON.parse((await must([...args, "--json"], options)).stdout) as unknown,
    watch: (args) => watchStereo(args, environment),
    start: (args, more) => spawn(join(projectDir, "stereo"), args, { env: { ...environment, ...more } }),
    async [Symbol.asyncDispose]() {
      await endMachines(stereo)
      if (dir === undefined) rmSync(root, { recursive: true, force: true })
    },
  }
}

async function endMachines(stereo: TestHome["stereo"]): Promise<void> {
  const listed = await stereo(["ls", "--json"])
  const machines = listed.code === 0 ? (JSON.parse(listed.stdout) as { name: string }[]) : []
  for (const machine of machines) await stereo(["rm", "-f", machine.name])
  await stereo(["host", "stop"])
}

function runStereo(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  options: CommandOptions,
): Promise<CommandResult> {
  const child = spawn(join(projectDir, "stereo"), args, {
    env: { ...env, ...options.environment },
    timeout: options.timeoutMs ?? 600_000,
  })
  const stdout: Buffer[] = []
  const stderr: Buffer[] = []
  child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk))
  child.stdin.on("error", (error) => stderr.push(Buffer.from(`stdin: ${error.message}\n`)))
  child.stdin.end(options.input)
  return new Promise((settle, reject) => {
    child.once("error", reject)
    child.once("close", (code, signal) => {
      const bytes = Buffer.concat(stdout)
      settle({ code, signal, stdout: bytes.toString(), stderr: Buffer.concat(stderr).toString(), bytes })
    })
  })
}

async function watchStereo(args: readonly string[], env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn(join(projectDir, "stereo"), args, { env, stdio: ["ignore", 2, 2] })
  const [code] = (await once(child, "close")) as [number | null]
  if (code !== 0) throw new Error(`stereo ${args.join(" ")} ended with ${code}`)
}
