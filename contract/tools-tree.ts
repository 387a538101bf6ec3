/** Where the tools tree lies, and how a program inside it is run: alone, without a network, in bubblewrap. */

import { join } from "node:path"
import type { Home } from "./home.ts"

/** A symbolic link to the tree that `stereo setup` made last; resolve it once, then keep to the result. */
export function currentToolsTree(home: Home): string {
  return join(home.tools, "current")
}

/** bubblewrap's arguments that show a program the tools tree and nothing else of the host. */
export function toolsSandboxArgs(treeDir: string): string[] {
  return [
    ...["--unshare-all", "--die-with-parent", "--new-session", "--clearenv"],
    ...["--setenv", "PATH", "/usr/sbin:/usr/bin", "--setenv", "LC_ALL", "C.UTF-8"],
    ...["--ro-bind", join(treeDir, "usr"), "/usr", "--ro-bind", join(treeDir, "etc"), "/etc"],
    ...["--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin"],
    ...["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"],
    ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"],
  ]
}
