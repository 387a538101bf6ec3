/** Whose is what was seen: by each case's marker, or by the address and port that only it asks for. Pure. */

import type { ArchivedCall, Question, Touch } from "./evidence.ts"
import type { AttackCase } from "./vector.ts"
import type { WireFrame } from "./wire-frame.ts"

export interface Attributed<Thing> {
  readonly of: (attack: AttackCase) => readonly Thing[]
  /** What belongs to nobody. */
  readonly rest: readonly Thing[]
}

export function attribute<Thing>(
  cases: readonly AttackCase[],
  things: readonly Thing[],
  belongs: (attack: AttackCase, thing: Thing) => boolean,
): Attributed<Thing> {
  const owners = new Map(things.map((thing) => [thing, cases.filter((attack) => belongs(attack, thing))]))
  return {
    of: (attack) => things.filter((thing) => owners.get(thing)?.includes(attack)),
    rest: things.filter((thing) => owners.get(thing)?.length === 0),
  }
}

export function ownsFrame({ marker, vector }: AttackCase, frame: WireFrame): boolean {
  if (frame.bytes.includes(marker)) return true
  const { how } = vector
  if (how.kind === "frames") {
    return how.frames.some((one) => one.bare === true && frame.bytes.includes(plainBytes(one.payloadHex)))
  }
  return (
    (how.kind === "tcp" || how.kind === "udp") && frame.to === how.host && frame.port === Number(how.port)
  )
}

function plainBytes(hex = ""): Buffer {
  return Buffer.from(hex.replaceAll(" ", ""), "hex")
}

/** `canaryPort` stands for `{canary}`. A connection that sent nothing has no marker, only an aim. */
export function ownsTouch({ marker, vector }: AttackCase, touch: Touch, canaryPort: number): boolean {
  // names come lower-case, and markers are
  if (touch.text.toLowerCase().includes(marker)) return true
  const { how } = vector
  if ((how.kind !== "tcp" && how.kind !== "udp") || touch.text !== "") return false
  if (how.port === "{canary}") return touch.port === canaryPort
  return touch.port === Number(how.port) && touch.address === how.host
}

export const owns = {
  call: ({ marker, vector }: AttackCase, call: ArchivedCall): boolean =>
    vector.authority === undefined
      ? [call.authority, call.target, call.headers].some((text) => text.includes(marker))
      : call.method === "CONNECT" && call.authority === vector.authority,
  question: ({ marker }: AttackCase, { name }: Question): boolean => name.toLowerCase().includes(marker),
}
