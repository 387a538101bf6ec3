/** As whom the host service runs: whoever opens its socket is the same user, since the socket's mode is 0600. */

import { userInfo } from "node:os"
import { getuid } from "node:process"

export interface ServiceUser {
  readonly uid: number
  readonly user: string
}

export function readServiceUser(): ServiceUser {
  const uid = getuid?.() ?? -1
  try {
    return { uid, user: userInfo().username }
  } catch (thrown) {
    // a uid without an entry in passwd, as in some containers
    if ((thrown as NodeJS.ErrnoException).code === "ERR_SYSTEM_ERROR") return { uid, user: `uid ${uid}` }
    throw thrown
  }
}
