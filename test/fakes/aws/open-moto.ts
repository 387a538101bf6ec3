/** Debian's moto, which answers as EBS direct APIs and EC2, in a tree and a sandbox of its own. */

import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { toolsSandboxArgs } from "../../../contract/tools-tree.ts"
import { openTree } from "../../trees/open-tree.ts"

const PACKAGES = [
  ...["base-files", "bash", "coreutils", "dash"],
  ...["python3-flask", "python3-flask-cors", "python3-moto"],
]

export interface Moto extends AsyncDisposable {
  readonly url: string
}

/** The tree takes some seconds the first time. */
export async function openMoto(): Promise<Moto> {
  const tree = await openTree("moto", PACKAGES)
  const port = await freePort()
  // python's requests wants a bundle of certificates when it is loaded; no maintainer script has made one
  const authorities = join(tree, "usr/share/ca-certificates/mozilla")
  const anyAuthority = join(authorities, readdirSync(authorities)[0] ?? "")
  const sandbox = [...toolsSandboxArgs(tree), "--share-net", "--tmpfs", "/etc/ssl/certs"]
  const bundle = ["--ro-bind", anyAuthority, "/etc/ssl/certs/ca-certificates.crt"]
  const server = ["moto_server", "-H", "127.0.0.1", "-p", String(port)]
  const child = spawn("bwrap", [...sandbox, ...bundle, "--", ...server], {
    stdio: ["ignore", "pipe", "pipe"],
  })
  const url = `http://127.0.0.1:${port}`
  await answering(child, url)
  return {
    url,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill("SIGKILL")
      await once(child, "exit")
    },
  }
}

async function answering(child: ChildProcess, url: string): Promise<void> {
  let said = ""
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (said += chunk))
  for (let attempt = 0; attempt < 300; attempt += 1) {
    if (child.exitCode !== null) throw new Error(`moto_server ended with ${child.exitCode}\n${said}`)
    const there = await fetch(`${url}/moto-api/`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (there) return
    await delay(100)
  }
  child.kill("SIGKILL")
  throw new Error(`moto_server does not answer\n${said}`)
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1")
  await once(probe, "listening")
  const address = probe.address()
  probe.close()
  await once(probe, "close")
  return typeof address === "object" && address !== null ? address.port : 0
}
