/** What is promised of the wall, as boxes of packets; from the numbers in contract/wire.ts and nothing else. */

import { CAPTURE_PORTS, GATEWAY, GUEST_USERS } from "../../contract/wire.ts"
import type { IntervalSet } from "./interval.ts"
import { IPV4, NO_OWNER, only, type PartialBox } from "./packet-space.ts"
import { parseValues } from "./parse-values.ts"

const gateway = address(GATEWAY.address)
const guest = address(GATEWAY.guestAddress)
const capture = only(BigInt(GUEST_USERS.capture.uid))
const port = only(BigInt(GATEWAY.port))
const tcp: PartialBox = { family: only(IPV4), protocol: only(6n) }
const toGateway: PartialBox = { ...tcp, destination: gateway, dport: port }
const fromGateway: PartialBox = { ...tcp, source: gateway, sport: port, state: only(1n) }
/** Index of eth0 among the interfaces. */
const CARD = only(2n)
const ANY_PORT: IntervalSet = [[1n, 65_535n]]
const plain: PartialBox = { mark: only(0n), bound: only(0n), sport: ANY_PORT }

export const PROMISE = {
  /** All that may leave by an interface other than lo. */
  mayLeave: [
    { ...toGateway, uid: capture, state: only(0n, 1n) },
    // last packets of a socket that was closed
    { ...toGateway, uid: only(NO_OWNER), state: only(1n) },
  ],
  /** What must leave, or the machine is cut off. */
  mustLeave: [
    { ...toGateway, ...plain, source: guest, uid: capture, gid: capture, oif: CARD, state: only(0n) },
    ...[capture, only(NO_OWNER)].map((owner) => ({
      ...{ ...toGateway, ...plain, source: guest, uid: owner, gid: owner, oif: CARD },
      ...{ state: only(1n), direction: only(0n) },
    })),
  ],
  /** All that may come in by an interface other than lo. */
  mayArrive: [fromGateway],
  mustArrive: [
    {
      ...{ ...fromGateway, iif: CARD, destination: guest, dport: ANY_PORT, direction: only(1n) },
      ...{ mark: only(0n), bound: only(0n), uid: capture, gid: capture },
    },
  ],
  /** What the capture proxy sends inside of the guest that answers nothing. */
  begunByCapture: { uid: capture, state: only(0n, 3n, 4n) },
  /** Of these alone address translation decides anything. */
  firstPacket: { state: only(0n, 2n) },
  /** Where packets of these ports may be turned to, and no others. */
  mayDivert: [
    [80n, CAPTURE_PORTS.http],
    [443n, CAPTURE_PORTS.https],
  ].map(([from, to]) => ({
    sent: { protocol: only(6n), dport: only(BigInt(from ?? 0)) },
    now: { destination: only(0x7f000001n), dport: only(BigInt(to ?? 0)) },
  })),
} as const

function address(text: string) {
  const values = parseValues(text, { kind: "ipv4" })
  // the contract's own addresses are well-formed
  return values ?? []
}
