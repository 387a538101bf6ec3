/** Where stereo keeps things on the host: one folder, `STEREO_HOME`, laid out here and nowhere else. */

import { join } from "node:path"

/** What Linux allows for the path of a unix socket, in bytes (sun_path of unix(7), less its end). */
export const LONGEST_SOCKET_PATH_BYTES = 107

export interface Home {
  /** STEREO_HOME, by default `~/.local/share/stereo`. */
  readonly root: string
  /** Tools trees, one folder per hash of their definition. */
  readonly tools: string
  /** The builder's stage results, one folder per stage, one entry per key. */
  readonly cache: string
  /** Finished images: `by-digest/DIGEST/` and `by-name/NAME` (a symbolic link to one of them). */
  readonly images: string
  /** Signs what is built here; mode 0600 in a folder of mode 0700. */
  readonly signingKey: string
  /** Whose signatures count beside it: a public key each, `NAME.pub`. */
  readonly trustedKeys: string
  /** What publishing remembers of clouds, to go on after an interruption and to send only what changed. */
  readonly publish: string
  /** One folder per machine. */
  readonly machines: string
  /** Uncompressed kernels of images that were started, each under the sha256 of its compressed one. */
  readonly kernels: string
  /** The accelerator probe's answer, one per host boot. */
  readonly probe: string
  /** The host service's configuration: providers, real credentials. Mode 0600. */
  readonly hostConfig: string
  /** The host service's socket; mode 0600 in a folder of mode 0700. */
  readonly hostSocket: string
  readonly hostLog: string
  /** The archive: `archive.db`, `blobs/`, `spool/`. */
  readonly archive: string
}

export interface MachineHome {
  readonly dir: string
  /** MachineRecord as JSON; out of QEMU's reach, for the host service trusts it. */
  readonly record: string
  /** Rules made while the machine runs; out of QEMU's reach, for the host service trusts them. */
  readonly liveRules: string
  /** The one folder that QEMU sees and may write: sockets, console and data disk. */
  readonly vm: string
  /** The guest's serial console; kept on failure. */
  readonly console: string
  /** What QEMU and bubblewrap themselves printed. */
  readonly log: string
  /** Listened on by the host service; QEMU connects. */
  readonly egressSocket: string
  /** Listened on by QEMU; the host service connects. */
  readonly controlSocket: string
  /** Listened on by QEMU; the host service connects. */
  readonly uplinkSocket: string
  /** Listened on by QEMU; the launcher connects. */
  readonly qmpSocket: string
  /** The agent's home, an ext4 file system in a raw file. */
  readonly dataDisk: string
}

export function homeLayout(root: string): Home {
  return {
    root,
    tools: join(root, "tools"),
    cache: join(root, "cache"),
    images: join(root, "images"),
    signingKey: join(root, "keys", "signing.pem"),
    trustedKeys: join(root, "keys", "trusted"),
    publish: join(root, "publish"),
    machines: join(root, "machines"),
    kernels: join(root, "kernels"),
    probe: join(root, "probe"),
    hostConfig: join(root, "host.toml"),
    hostSocket: join(root, "host", "host.sock"),
    hostLog: join(root, "host", "host.log"),
    archive: join(root, "archive"),
  }
}

export function machineLayout(home: Home, name: string): MachineHome {
  const dir = join(home.machines, name)
  const vm = join(dir, "vm")
  return {
    dir,
    record: join(dir, "machine.json"),
    liveRules: join(dir, "live-egress.json"),
    vm,
    console: join(vm, "console.log"),
    log: join(dir, "qemu.log"),
    egressSocket: join(vm, "egress.sock"),
    controlSocket: join(vm, "control.sock"),
    uplinkSocket: join(vm, "uplink.sock"),
    qmpSocket: join(vm, "qmp.sock"),
    dataDisk: join(vm, "data.img"),
  }
}
