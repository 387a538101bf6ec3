/** Reads the head of a guest's request; what cannot be read in one way only is refused. */

import { GUEST_CLAIM_HEADERS } from "../../contract/wire.ts"
import type { Claims, GuestHead, HeaderList, Refusal } from "../exchange.ts"
import { checkHead } from "./check-head.ts"
import type { RawHeaders } from "./serve-session.ts"

/** Under which harnesses send their own session's id. */
const SESSION_HEADERS = ["x-claude-code-session-id", "session_id", "x-session-id"]
const EXCHANGE_ID = /^[0-9a-z]{26}$/
const MAX_CLAIM = 512

export type ReadHead = { readonly head: GuestHead } | { readonly head: GuestHead; readonly refusal: Refusal }

export function readHead(raw: RawHeaders): ReadHead {
  const pairs = pairsOf(raw)
  const pseudo = new Map(pairs.filter(([name]) => name.startsWith(":")))
  const ordinary = pairs.filter(([name]) => !name.startsWith(":"))
  // RFC 8441: to whoever decides, a WebSocket is the GET that it is in HTTP/1
  const upgrades = pseudo.get(":method") === "CONNECT" && pseudo.get(":protocol") === "websocket"
  const head: GuestHead = {
    method: upgrades ? "GET" : (pseudo.get(":method") ?? ""),
    scheme: pseudo.get(":scheme") ?? "",
    authority: pseudo.get(":authority") ?? "",
    target: pseudo.get(":path") ?? "",
    headers: ordinary.filter(([name]) => !name.startsWith(GUEST_CLAIM_HEADERS.prefix)),
    claims: readClaims(ordinary),
    ...(upgrades ? { upgrade: "websocket" as const } : {}),
  }
  const refusal = checkHead(head, pairs)
  return refusal === null ? { head } : { head: shorten(head), refusal }
}

function readClaims(headers: HeaderList): Claims {
  const first = (name: string) => headers.find(([one]) => one === name)?.[1] ?? null
  const bounded = (value: string | null) => value?.slice(0, MAX_CLAIM).replace(/[^\x20-\x7e]/g, "?") ?? null
  const exchange = first(GUEST_CLAIM_HEADERS.exchange)
  const session = SESSION_HEADERS.map(first).find((value) => value !== null) ?? null
  return {
    exchange: exchange !== null && EXCHANGE_ID.test(exchange) ? exchange : null,
    process: bounded(first(GUEST_CLAIM_HEADERS.process)),
    sni: first(GUEST_CLAIM_HEADERS.sni),
    session: bounded(session),
  }
}

/** What is kept of a head that was refused unread. */
function shorten(head: GuestHead): GuestHead {
  return {
    ...head,
    method: head.method.slice(0, 32),
    authority: head.authority.slice(0, 300),
    target: head.target.slice(0, 16_384),
  }
}

function pairsOf(raw: RawHeaders): HeaderList {
  const pairs: [string, string][] = []
  for (let index = 0; index + 1 < raw.length; index += 2) pairs.push([raw[index] ?? "", raw[index + 1] ?? ""])
  return pairs
}
