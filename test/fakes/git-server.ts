/** A real git server: `git http-backend` behind HTTP, with one repository that takes pushes from everybody. */

import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface GitServer extends AsyncDisposable {
  readonly url: string
  /** Method and target of every request that came. */
  readonly requests: readonly string[]
  /** What the branch main points to. */
  head(): string
}

/** Serves `/NAME.git` with one commit on main. */
export async function openGitServer(name: string): Promise<GitServer> {
  const root = mkdtempSync(join(tmpdir(), "stereo-git-"))
  const bare = join(root, `${name}.git`)
  makeRepository(root, bare)
  const requests: string[] = []
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`)
    serveByCgi(root, request, response).catch((thrown) => response.destroy(thrown))
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo // a TCP server's address is never a string
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    head: () => git(["--git-dir", bare, "rev-parse", "main"]),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
      rmSync(root, { recursive: true })
    },
  }
}

function git(argv: readonly string[]): string {
  const env = { PATH: process.env["PATH"], GIT_CONFIG_NOSYSTEM: "1", HOME: "/nonexistent", ...AUTHOR }
  return execFileSync("git", argv, { encoding: "utf8", env, stdio: ["ignore", "pipe", "pipe"] }).trim()
}

const AUTHOR = {
  GIT_AUTHOR_NAME: "A",
  GIT_AUTHOR_EMAIL: "a@example.com",
  GIT_COMMITTER_NAME: "A",
  GIT_COMMITTER_EMAIL: "a@example.com",
}

function makeRepository(root: string, bare: string): void {
  const work = join(root, "work")
  mkdirSync(work)
  git(["init", "--quiet", "--initial-branch", "main", work])
  writeFileSync(join(work, "README.md"), "a repository for tests\n")
  git(["-C", work, "add", "."])
  git(["-C", work, "commit", "--quiet", "--message", "first"])
  git(["clone", "--quiet", "--bare", work, bare])
  // the fake is as open as can be: whatever is refused is refused before it
  git(["--git-dir", bare, "config", "http.receivepack", "true"])
}

/** RFC 3875, as far as `git http-backend` needs it. */
async function serveByCgi(root: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = "", query = ""] = (request.url ?? "").split("?")
  const header = (name: string) => String(request.headers[name] ?? "")
  const child = spawn("git", ["http-backend"], {
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
      REQUEST_METHOD: request.method,
      PATH_INFO: path,
      QUERY_STRING: query,
      CONTENT_TYPE: header("content-type"),
      CONTENT_LENGTH: header("content-length"),
      HTTP_CONTENT_ENCODING: header("content-encoding"),
      GIT_PROTOCOL: header("git-protocol"),
      REMOTE_USER: "anybody",
      REMOTE_ADDR: "127.0.0.1",
    },
    stdio: ["pipe", "pipe", "ignore"],
  })
  child.stdin.on("error", () => child.stdin.destroy())
  request.pipe(child.stdin)
  const parts: Buffer[] = []
  for await (const chunk of child.stdout) parts.push(chunk as Buffer)
  const output = Buffer.concat(parts)
  const end = output.indexOf("\r\n\r\n")
  for (const line of output.subarray(0, end).toString().split("\r\n")) {
    const [name = "", value = ""] = line.split(": ")
    if (name === "Status") response.statusCode = Number(value.slice(0, 3))
    else response.setHeader(name, value)
  }
  response.end(output.subarray(end + 4))
}
