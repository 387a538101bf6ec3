/** Ends a client's TLS in the proxy, with a certificate for whatever name it asks for. */

import type { Socket } from "node:net"
import { TLSSocket } from "node:tls"
import type { Authority } from "./authority.ts"

/** Generous: a guest without hardware acceleration is slow, and its clients are slower. */
const HANDSHAKE_MS = 60_000

/** `name` is used when the client names none. What does not speak TLS is closed. */
export function terminateTls(
  socket: Socket,
  authority: Authority,
  name: string,
  onSecure: (secure: TLSSocket, serverName: string | null) => void,
): void {
  const secure = new TLSSocket(socket, {
    isServer: true,
    secureContext: authority.contextFor(name),
    // what asks for h2 only has nothing to agree on, and fails at once
    ALPNProtocols: ["http/1.1"],
    SNICallback: (serverName, done) => done(null, authority.contextFor(serverName.toLowerCase())),
  })
  const giveUp = setTimeout(() => socket.destroy(), HANDSHAKE_MS)
  secure.once("close", () => clearTimeout(giveUp))
  secure.once("secure", () => {
    clearTimeout(giveUp)
    const { servername } = secure
    onSecure(secure, typeof servername === "string" && servername !== "" ? servername.toLowerCase() : null)
  })
  // a handshake that fails is the client's to report; the connection is closed either way
  secure.once("error", () => socket.destroy())
}
