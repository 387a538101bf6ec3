/** What is promised of the wall, as boxes of packets; from the numbers in contract/wire.ts, or a cloud image's site. */

import type { SiteWall } from "../../contract/site.ts"
import { CAPTURE_PORTS, GATEWAY, GUEST_USERS, SSH_PORTS } from "../../contract/wire.ts"
import type { IntervalSet } from "./interval.ts"
import { IPV4, NO_OWNER, only, type PartialBox } from "./packet-space.ts"
import { parseValues } from "./parse-values.ts"

const capture = only(BigInt(GUEST_USERS.capture.uid))
const root = only(BigInt(GUEST_USERS.root.uid))
const tcp: PartialBox = { family: only(IPV4), protocol: only(6n) }
/** Index of eth0 among the interfaces. */
const CARD = only(2n)
const ANY_PORT: IntervalSet = [[1n, 65_535n]]
const ANY_ADDRESS: IntervalSet = [[0n, 0xffff_ffffn]]
const SSH = only(...Object.values(SSH_PORTS).map(BigInt))
const unmarked: PartialBox = { mark: only(0n), bound: only(0n) }
const plain: PartialBox = { ...unmarked, sport: ANY_PORT }

export type WallPromise = ReturnType<typeof promiseOf>

/** `site` null: of an image for this host, whose own address is known. */
export function promiseOf(site: SiteWall | null) {
  const at = site?.gateway ?? GATEWAY
  const guest = site === null ? address(GATEWAY.guestAddress) : ANY_ADDRESS
  const port = only(BigInt(at.port))
  const toGateway: PartialBox = { ...tcp, destination: address(at.address), dport: port }
  const fromGateway: PartialBox = { ...tcp, source: address(at.address), sport: port, state: only(1n) }
  const login = promiseLogin(site)
  return {
    /** All that may leave by an interface other than lo. */
    mayLeave: [
      { ...toGateway, uid: capture, state: only(0n, 1n) },
      // last packets of a socket that was closed
      { ...toGateway, uid: only(NO_OWNER), state: only(1n) },
      // from whatever port: only connections to those of sshd are taken, and what was translated is told back as any port
      ...login.answers.map(({ sport: _sport, ...one }) => one),
    ],
    /** What must leave, or the machine is cut off. */
    mustLeave: [
      { ...toGateway, ...plain, source: guest, uid: capture, gid: capture, oif: CARD, state: only(0n) },
      ...[capture, only(NO_OWNER)].map((owner) => ({
        ...{ ...toGateway, ...plain, source: guest, uid: owner, gid: owner, oif: CARD },
        ...{ state: only(1n), direction: only(0n) },
      })),
      ...login.answers.map((one) => ({
        ...one,
        ...unmarked,
        oif: CARD,
        dport: ANY_PORT,
        uid: root,
        gid: root,
      })),
    ],
    /** All that may come in by an interface other than lo. */
    mayArrive: [fromGateway, ...login.calls],
    mustArrive: [
      {
        ...{ ...fromGateway, iif: CARD, destination: guest, dport: ANY_PORT, direction: only(1n) },
        ...{ ...unmarked, uid: capture, gid: capture },
      },
      ...login.calls.map((one) => ({
        ...one,
        ...unmarked,
        iif: CARD,
        sport: ANY_PORT,
        uid: root,
        gid: root,
      })),
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
}

/** sshd of a cloud image: connections are taken from these networks, and answered. */
function promiseLogin(site: SiteWall | null) {
  const nets = (site?.ssh.allow ?? []).map(network)
  return {
    calls: nets.map((net): PartialBox => {
      return { ...tcp, source: net, dport: SSH, state: only(0n, 1n), direction: only(0n) }
    }),
    answers: nets.map((net): PartialBox => {
      return { ...tcp, destination: net, sport: SSH, state: only(1n), direction: only(1n) }
    }),
  }
}

/** From the first address of a net such as `10.1.0.0/16` to its last. */
function network(text: string): IntervalSet {
  const [base = "", length = ""] = text.split("/")
  const size = 2n ** (32n - BigInt(length))
  const first = ((address(base)[0]?.[0] ?? 0n) / size) * size
  return [[first, first + size - 1n]]
}

function address(text: string) {
  const values = parseValues(text, { kind: "ipv4" })
  // the contract's own addresses are well-formed
  return values ?? []
}
