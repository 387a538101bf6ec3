/** A guest without a VM: a network namespace with the real packet filter, and a witness outside it. */

import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { build } from "esbuild"
import nunjucks from "nunjucks"
import * as wire from "../../contract/wire.ts"

export const projectDir = resolve(import.meta.dirname, "../..")
const { GATEWAY, GUEST_USERS } = wire

/** Why a lab cannot be made here; null when it can. */
export function labProblem(): string | null {
  if (process.getuid?.() !== 0) return "network namespaces need root"
  for (const program of ["ip", "nft", "setpriv", "unshare"]) {
    try {
      execFileSync("which", [program])
    } catch {
      return `${program} is not installed`
    }
  }
  return null
}

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Two namespaces joined by a cable: the guest's eth0 and the witness, who has every address outside. */
export class GuestLab implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "stereo-lab-"))
  readonly #guest: string
  readonly #witness: string
  readonly #children = new Set<ChildProcess>()

  constructor() {
    removeAbandoned()
    const tag = `${process.pid}-${Math.trunc(performance.now())}`
    this.#guest = `sg${tag}`
    this.#witness = `sw${tag}`
    chmodSync(this.dir, 0o755)
    mkdirSync(join(this.dir, "run", "ca"), { recursive: true })
    chownSync(join(this.dir, "run", "ca"), GUEST_USERS.capture.uid, GUEST_USERS.capture.uid)
    writeFileSync(join(this.dir, "resolv.conf"), "nameserver 127.0.0.1\n")
    writeFileSync(join(this.dir, "firewall.nft"), renderFirewall())
    for (const line of this.#wiring())
      execFileSync("sh", ["-ec", line], { stdio: ["ignore", "ignore", "inherit"] })
  }

  /** Runs a program in the guest's namespace as a user, to its end. */
  async run(uid: number, command: readonly string[], input = "", env: NodeJS.ProcessEnv = {}): Promise<Ran> {
    const child = this.start(uid, command, env)
    const text = { stdout: "", stderr: "" }
    child.stdout?.on("data", (chunk) => (text.stdout += chunk))
    child.stderr?.on("data", (chunk) => (text.stderr += chunk))
    child.stdin?.on("error", () => child.stdin?.destroy())
    child.stdin?.end(input)
    const [code] = await once(child, "close")
    return { code, ...text }
  }

  /** Starts a program in the guest's namespace as a user; it ends with the lab. */
  start(uid: number, command: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    // like the units: only the capture proxy may bind ports below 1024
    const caps =
      uid === GUEST_USERS.capture.uid ? "--inh-caps +net_bind_service --ambient-caps +net_bind_service" : ""
    const script = [
      "mount -t tmpfs none /run && mkdir /run/stereo",
      `mount --bind ${this.dir}/run /run/stereo`,
      // the checkout may lie where other users cannot look
      `touch /run/node && mount --bind ${process.execPath} /run/node`,
      `mount --bind ${this.dir}/resolv.conf /etc/resolv.conf`,
      uid === 0 ? 'exec "$@"' : `exec setpriv --reuid "$0" --regid "$0" --clear-groups ${caps} -- "$@"`,
    ]
    return this.#spawn(
      ["ip", "netns", "exec", this.#guest, "sh", "-ec", script.join("\n"), String(uid), ...command],
      env,
    )
  }

  /** Starts a program on the witness's side. */
  startOutside(command: readonly string[]): ChildProcess {
    return this.#spawn(["ip", "netns", "exec", this.#witness, ...command], {})
  }

  /** Packets that reached the witness: to the gateway's address and port, and to anything else. */
  witnessed(): { readonly gateway: number; readonly other: number } {
    return { gateway: this.#count(this.#witness, "gateway"), other: this.#count(this.#witness, "other") }
  }

  /** What the packet filter's counter of that name has seen. */
  refused(counter: string): number {
    return this.#count(this.#guest, counter, "stereo")
  }

  kill(child: ChildProcess): Promise<unknown> {
    const closed = once(child, "close")
    child.kill("SIGKILL")
    return closed
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill("SIGKILL")
    for (const name of [this.#guest, this.#witness]) execFileSync("ip", ["netns", "del", name])
    rmSync(this.dir, { recursive: true, force: true })
  }

  #spawn(command: readonly string[], env: NodeJS.ProcessEnv): ChildProcess {
    const [file = "", ...argv] = command
    const child = spawn(file, argv, { stdio: "pipe", env: { PATH: process.env["PATH"], ...env } })
    this.#children.add(child)
    child.once("close", () => this.#children.delete(child))
    return child
  }

  #count(namespace: string, name: string, table = "witness"): number {
    const argv = ["netns", "exec", namespace, "nft", "-j", "list", "counter", "inet", table, name]
    const found: { nftables: { counter?: { packets: number } }[] } = JSON.parse(
      execFileSync("ip", argv, { encoding: "utf8" }),
    )
    return found.nftables.reduce((sum, { counter }) => sum + (counter?.packets ?? 0), 0)
  }

  #wiring(): string[] {
    const [guest, witness] = [this.#guest, this.#witness]
    const counters = `table inet witness { counter gateway {}; counter other {}; chain seen {
      type filter hook prerouting priority raw
      iif lo accept
      ip saddr ${GATEWAY.guestAddress} ip daddr ${GATEWAY.address} tcp dport ${GATEWAY.port} counter name gateway accept
      counter name other
    }
    }`
    writeFileSync(join(this.dir, "witness.nft"), counters)
    return [
      `ip netns add ${guest} && ip netns add ${witness}`,
      // no neighbour discovery by ourselves: whatever the witness counts, a program of the guest has sent
      `for name in ${guest} ${witness}; do ip netns exec $name sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6'; done`,
      `ip -n ${guest} link add eth0 type veth peer name eth0 netns ${witness}`,
      `ip netns exec ${guest} nft -f ${this.dir}/firewall.nft`,
      `ip netns exec ${witness} nft -f ${this.dir}/witness.nft`,
      `ip -n ${witness} link set lo up && ip -n ${witness} link set eth0 up`,
      `ip -n ${witness} addr add ${GATEWAY.address}/${GATEWAY.prefix} dev eth0`,
      `ip -n ${witness} addr add 10.0.2.2/${GATEWAY.prefix} dev eth0`,
      `ip -n ${witness} route add local 0.0.0.0/1 dev lo && ip -n ${witness} route add local 128.0.0.0/1 dev lo`,
      `ip -n ${witness} route add ${GATEWAY.guestAddress} dev eth0 table local`,
      `ip netns exec ${guest} ip -batch ${projectDir}/images/base/files/usr/lib/stereo/network.batch`,
    ]
  }
}

/** Namespaces of test runs that were killed: their names hold the process that made them. */
function removeAbandoned(): void {
  const listed = execFileSync("ip", ["netns", "list"], { encoding: "utf8" })
  for (const [, name, pid] of listed.matchAll(/^(s[gw](\d+)-\d+)\b/gm)) {
    if (name !== undefined && !existsSync(`/proc/${pid}`)) execFileSync("ip", ["netns", "del", name])
  }
}

export function renderFirewall(): string {
  const template = readFileSync(join(projectDir, "images/templates/nftables.njk"), "utf8")
  return new nunjucks.Environment(null, { autoescape: false, throwOnUndefined: true }).renderString(
    template,
    { ...wire, SITE: null, UPSTREAM: wire.GATEWAY, SSH_FROM: "" },
  )
}

/** Bundles a program of the guest as the builder does, into `file`. */
export async function bundleGuestProgram(entry: string, file: string): Promise<void> {
  await build({
    absWorkingDir: projectDir,
    entryPoints: [entry],
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node24",
    outfile: file,
    logLevel: "error",
  })
}
