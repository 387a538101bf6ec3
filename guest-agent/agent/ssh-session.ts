/** One session: a stream of the control wire joined to an `sshd -i`, which systemd starts in a unit of its own. */

import type { Duplex } from "node:stream"
import { reasonOf } from "../../contract/fault.ts"
import { GUEST_UNITS } from "../../contract/wire.ts"
import { connectUnit } from "./connect-unit.ts"

export type SessionUser = keyof typeof GUEST_UNITS.session

/** `log` is told of a session that did not begin; the session ends with the stream, and the stream with sshd. */
export function startSshSession(stream: Duplex, user: SessionUser, log: (line: string) => void): void {
  const socket = connectUnit(GUEST_UNITS.session[user])
  let spoken = false
  socket.on("error", (error) => log(`session of ${user}: ${reasonOf(error)}`))
  socket.once("data", () => {
    spoken = true
  })
  stream.pipe(socket)
  socket.pipe(stream)
  stream.once("close", () => socket.destroy())
  socket.once("close", () => {
    if (!spoken) log(`sshd of ${user} ended before it said anything`)
    stream.end()
  })
}
