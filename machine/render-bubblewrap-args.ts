/** The sandbox around every program of the tools tree: it sees that tree, what is bound for it, and no network. */

import type { Command } from "./run.ts"

export interface Sandbox {
  /** The tools tree; only its /usr is shown, read-only. */
  readonly toolsDir: string
  /** Host folders shown read-only, by their place inside. */
  readonly readOnly: Readonly<Record<string, string>>
  /** Host folders that may be written, by their place inside. */
  readonly writable: Readonly<Record<string, string>>
  /** Host devices, for example /dev/kvm. */
  readonly devices: readonly string[]
  /** End with the process that started it. */
  readonly dieWithParent: boolean
  /** Write the id of the sandbox's first process to this file descriptor. */
  readonly infoFd: number | null
  readonly command: Command
}

/** `bwrap` with its arguments; pure, so that what a machine may touch can be read and tested. */
export function renderBubblewrapArgs(sandbox: Sandbox): Command {
  return {
    file: "bwrap",
    args: [
      ...["--unshare-all", "--new-session", "--clearenv", "--cap-drop", "ALL"],
      // an id that owns nothing inside; outside it stays the user who started it, without capabilities
      ...["--uid", "65534", "--gid", "65534", "--hostname", "stereo"],
      // no reaper in between: the program is the namespace's first process, and its end ends the namespace
      "--as-pid-1",
      ...(sandbox.dieWithParent ? ["--die-with-parent"] : []),
      ...(sandbox.infoFd === null ? [] : ["--info-fd", String(sandbox.infoFd)]),
      ...["--ro-bind", `${sandbox.toolsDir}/usr`, "/usr"],
      ...["bin", "sbin", "lib", "lib64"].flatMap((name) => ["--symlink", `usr/${name}`, `/${name}`]),
      ...["--dev", "/dev"],
      ...sandbox.devices.flatMap((path) => ["--dev-bind", path, path]),
      ...Object.entries(sandbox.readOnly).flatMap(([inside, path]) => ["--ro-bind", path, inside]),
      ...Object.entries(sandbox.writable).flatMap(([inside, path]) => ["--bind", path, inside]),
      ...["--remount-ro", "/", "--chdir", "/", "--"],
      sandbox.command.file,
      ...sandbox.command.args,
    ],
  }
}
