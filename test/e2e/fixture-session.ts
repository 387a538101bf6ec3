/** Reads the recorded Claude Code session that lies beside the project, if it is there. */

import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { z } from "zod"
import { projectDir } from "./test-home.ts"

export const fixtureSessionDir = resolve(projectDir, "../shared/fixtures/claude-code-session")
export const fixtureSessionMissing = existsSync(fixtureSessionDir)
  ? null
  : `${fixtureSessionDir} is not here: the recorded session is not part of the project`

export interface RecordedTurn {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly requestSha256: string
  readonly responseSha256: string
}

const recordedRequest = z.object({
  url: z.url(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  body_b64: z.base64(),
})
/** What the recording gateway added, and what each hop sets anew. */
const NOT_THE_CLIENTS = /^(authorization|content-length|x-paper-auth|x-tapes-.*)$/

export function readFixtureSession(): readonly RecordedTurn[] {
  const turns = readdirSync(fixtureSessionDir).filter((name) => name.startsWith("turn-"))
  return turns.sort().map((name) => readTurn(join(fixtureSessionDir, name)))
}

function readTurn(dir: string): RecordedTurn {
  const request = recordedRequest.parse(JSON.parse(readFileSync(join(dir, "request.json"), "utf8")))
  const url = new URL(request.url)
  const body = Buffer.from(request.body_b64, "base64")
  return {
    path: url.pathname.slice(url.pathname.indexOf("/v1/")) + url.search,
    headers: Object.fromEntries(request.headers.filter(([name]) => !NOT_THE_CLIENTS.test(name))),
    body,
    requestSha256: sha256(body),
    responseSha256: sha256(readFileSync(join(dir, "response.sse"))),
  }
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex")
}
