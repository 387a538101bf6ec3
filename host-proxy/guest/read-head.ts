/** Reads the head of a guest's request; what cannot be read in one way only is refused. */

import { GUEST_CLAIM_HEADERS } from "../../contract/wire.ts"
import type { Claims, GuestHead, HeaderList, Refusal } from "../exchange.ts"
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
  const head: GuestHead = {
    method: pseudo.get(":method") ?? "",
    scheme: pseudo.get(":scheme") ?? "",
    authority: pseudo.get(":authority") ?? "",
    target: pseudo.get(":path") ?? "",
    headers: ordinary.filter(([name]) => !name.startsWith(GUEST_CLAIM_HEADERS.prefix)),
    claims: readClaims(ordinary),
  }
  const reason = describeMalformed(head, pseudo)
  return reason === null ? { head } : { head: shorten(head), refusal: malformed(reason) }
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

function describeMalformed(head: GuestHead, pseudo: ReadonlyMap<string, string>): string | null {
  if (!/^[A-Z]{1,16}$/.test(head.method)) return "the method is not one to sixteen capital letters"
  if (pseudo.has(":protocol")) return "extended CONNECT is not offered"
  if (head.authority === "" || head.authority.length > 300) return "the authority is missing or too long"
  if (head.target.length > 16_384) return "the path is longer than 16 KiB"
  const bad = head.headers.find(([, value]) => /[\0\r\n]/.test(value))
  return bad ? "a header value holds a control character" : null
}

function malformed(reason: string): Refusal {
  const hint = "this is what the capture proxy should never send; look at how the request was made"
  return { status: 400, rule: "request/malformed", reason, hint }
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
