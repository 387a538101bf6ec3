/** Debian's docker-registry (distribution 2.8), the real one, on loopback: what pushes and pulls are tested against. */

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { toolsSandboxArgs } from "../../../contract/tools-tree.ts"
import { openTree } from "../../trees/open-tree.ts"

export interface DockerRegistry extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string
  /** What it was asked, a line each as in its access log: `GET /v2/… 200`. */
  requests(): string[]
  /** Where it keeps blobs. */
  readonly storeDir: string
}

export interface RegistrySetup {
  /** YAML for the key `auth`, with files as /work/NAME. */
  readonly auth?: string
  /** YAML for the key `http.tls`. */
  readonly tls?: string
  readonly files?: Readonly<Record<string, string>>
}

export function registryTree(): Promise<string> {
  return openTree("registry", ["ca-certificates", "docker-registry", "skopeo"])
}

/** In a sandbox that shares only the network; a port of its own choice. */
export async function openDockerRegistry({
  auth,
  tls,
  files = {},
}: RegistrySetup = {}): Promise<DockerRegistry> {
  const tree = await registryTree()
  const dir = mkdtempSync(join(tmpdir(), "stereo-registry-"))
  mkdirSync(join(dir, "store"))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
  writeFileSync(join(dir, "config.yml"), config(auth, tls))
  const child = spawn(
    "bwrap",
    [
      ...[...toolsSandboxArgs(tree), "--share-net", "--bind", dir, "/work", "--chdir", "/work", "--"],
      ...["docker-registry", "serve", "/work/config.yml"],
    ],
    { stdio: ["ignore", "pipe", "pipe"] },
  )
  const lines: string[] = []
  const host = await listening(child, lines)
  return {
    host,
    storeDir: join(dir, "store"),
    requests: () =>
      lines.flatMap((line) => {
        const [, request, status] = /"([A-Z]+ \S+) HTTP\/[\d.]+" (\d{3}) /.exec(line) ?? []
        return request === undefined ? [] : [`${request} ${status}`]
      }),
    async [Symbol.asyncDispose]() {
      const ended = once(child, "close")
      child.kill("SIGKILL")
      await ended
      rmSync(dir, { recursive: true, force: true })
    },
  }
}

function config(auth: string | undefined, tls: string | undefined): string {
  const secure = tls === undefined ? "" : `, tls: ${tls}`
  return [
    "version: 0.1",
    "log: {level: info, formatter: json}",
    "storage: {filesystem: {rootdirectory: /work/store}, delete: {enabled: true}}",
    `http: {addr: "127.0.0.1:0", secret: "the same after a restart"${secure}}`,
    ...(auth === undefined ? [] : [`auth: ${auth}`]),
    "",
  ].join("\n")
}

/** Reads both streams to their end, so that it never waits for a reader. */
function listening(child: ChildProcess, lines: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      let rest = ""
      stream?.on("data", (chunk: Buffer) => {
        const parts = (rest + chunk.toString()).split("\n")
        rest = parts.pop() ?? ""
        lines.push(...parts)
        const host = /listening on (127\.0\.0\.1:\d+)/.exec(parts.join("\n"))?.[1]
        if (host !== undefined) resolve(host)
      })
    }
    child.once("error", reject)
    child.once("close", (code) =>
      reject(new Error(`docker-registry ended with ${code}:\n${lines.join("\n")}`)),
    )
  })
}
