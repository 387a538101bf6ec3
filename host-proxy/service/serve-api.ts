/** The host service's own HTTP/2 interface on host.sock, for the CLI of the same user. */

import { once } from "node:events"
import { chmodSync, mkdirSync } from "node:fs"
import { rm } from "node:fs/promises"
import { createServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2"
import { createConnection } from "node:net"
import { dirname } from "node:path"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { type ApiOptions, answerApi } from "./answer-api.ts"
import { holdLock } from "./hold-lock.ts"

export interface ClaimedSocket extends AsyncDisposable {
  /** From now on requests are answered; those that came before have waited. */
  serve(options: ApiOptions): void
}

/** Listens on the socket, so that there is one service per user. Fault: `host/already-running`. */
export async function claimSocket(path: string): Promise<ClaimedSocket> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  chmodSync(dirname(path), 0o700)
  // two that start at one moment would both find the socket stale, and each take the other's away
  const lock = await holdLock(path)
  const isTaken = async (held: AsyncDisposable) =>
    isAnswered(path).catch(async (thrown: unknown) => {
      await held[Symbol.asyncDispose]()
      throw thrown
    })
  if (!lock || (await isTaken(lock))) {
    await lock?.[Symbol.asyncDispose]()
    throw new Fault("host/already-running", `a host service of yours already listens on ${path}`, {
      hint: "stereo host stop ends it; other commands use it as it is",
    })
  }
  await rm(path, { force: true })
  const server = createServer({ settings: { maxConcurrentStreams: 1000, enablePush: false } })
  server.listen(path)
  try {
    await once(server, "listening")
  } catch (thrown) {
    await lock[Symbol.asyncDispose]()
    throw new Fault("host/cannot-listen", `${path}: ${reasonOf(thrown)}`, { cause: thrown })
  }
  chmodSync(path, 0o600)
  const opened = Promise.withResolvers<ApiOptions>()
  server.on("stream", (stream, headers) => answerStream(stream, headers, opened.promise))
  const sessions = new Set<ServerHttp2Session>()
  server.on("session", (session) => {
    sessions.add(session)
    session.on("error", () => session.destroy())
    session.once("close", () => sessions.delete(session))
  })
  return {
    serve: opened.resolve,
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close")
      server.close()
      for (const session of sessions) session.destroy()
      await closed
      await rm(path, { force: true })
      await lock[Symbol.asyncDispose]()
    },
  }
}

function answerStream(
  stream: ServerHttp2Stream,
  headers: Readonly<Record<string, unknown>>,
  opened: Promise<ApiOptions>,
): void {
  // the stream's 'close' is what the handlers watch; an error that nobody hears would end the process
  stream.on("error", () => stream.close())
  opened
    .then((options) => answerApi(stream, headers, options))
    .catch((thrown) => {
      opened.then((options) => options.log(`host.sock: ${reasonOf(thrown)}`))
      stream.destroy(new Error("the request failed"))
    })
}

/** A socket that nobody listens on any more refuses; then it is only a file that a crash left. */
async function isAnswered(path: string): Promise<boolean> {
  const probe = createConnection(path)
  try {
    await once(probe, "connect")
    return true
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException // net emits nothing else
    if (code === "ENOENT" || code === "ECONNREFUSED") return false
    throw new Fault("host/cannot-listen", `${path}: ${reasonOf(thrown)}`, { cause: thrown })
  } finally {
    probe.destroy()
  }
}
