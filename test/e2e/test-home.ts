/** A STEREO_HOME of a test's own that shares tools, caches and images with the usual one. */

import { spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
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
  /** Starts `stereo ARGS` and leaves it running. */
  start(args: readonly string[]): ReturnType<typeof spawn>
}

/** Makes the home and writes `host.toml` with mode 0600; disposing it removes machines and the host service. */
export function openTestHome(hostToml: string): TestHome {
  const root = mkdtempSync(join(tmpdir(), "stereo-e2e-"))
  for (const shared of ["tools", "cache", "images"]) {
    mkdirSync(join(sharedHome, shared), { recursive: true })
    symlinkSync(join(sharedHome, shared), join(root, shared))
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
    start: (args) =>
      spawn(join(projectDir, "stereo"), args, { env: environment, stdio: ["ignore", "pipe", "pipe"] }),
    [Symbol.asyncDispose]: () => closeTestHome(root, stereo),
  }
}

async function closeTestHome(root: string, stereo: TestHome["stereo"]): Promise<void> {
  const listed = await stereo(["ls", "--json"])
  const machines = listed.code === 0 ? (JSON.parse(listed.stdout) as { name: string }[]) : []
  for (const machine of machines) await stereo(["rm", "-f", machine.name])
  await stereo(["host", "stop"])
  rmSync(root, { recursive: true, force: true })
}

function runStereo(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  options: CommandOptions,
): Promise<CommandResult> {
  const child = spawn(join(projectDir, "stereo"), args, {
    env: { ...env, ...options.environment },
    timeout: options.timeoutMs ?? 240_000,
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
