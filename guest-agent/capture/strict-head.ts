/** The lines of a request's head, one by one: what two readers could take in two ways is a problem, not a guess. */

/** How a message goes on behind its head; a tunnel and a WebSocket leave HTTP there. */
export type BodyPlan =
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "connect" }
  | { readonly kind: "websocket" }

/** Why a message is not read any further. */
export interface WireProblem {
  readonly status: 400 | 408 | 431 | 501
  readonly problem: string
}

/** As many as the host takes, less what is added on the way. */
const MAX_HEADERS = 112
const MAX_TARGET = 16_384
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
const LENGTH = /^(?:0|[1-9]\d{0,14})$/
const TEXT = /^[\t -~]*$/
/** Headers that decide how far the message goes or for whom it is: a connection cannot take them off. */
const NOT_TO_BE_NAMED = new Set(["host", "content-length", "transfer-encoding", "authorization"])

export class StrictHead {
  #method: string | null = null
  readonly #headers: (readonly [name: string, value: string])[] = []

  /** The client has said that it will send no other message. */
  get isLast(): boolean {
    return this.#headers.some(
      ([name, value]) => name === "connection" && /(?:^|,)[\t ]*close[\t ]*(?:,|$)/i.test(value),
    )
  }

  /** Takes a line without its end; null: the head goes on. The empty line gives the plan of the body. */
  takeLine(line: string): BodyPlan | WireProblem | null {
    if (!TEXT.test(line)) return bad("the head holds a control character or a byte that is not ASCII")
    if (this.#method === null) return this.#takeRequestLine(line)
    return line === "" ? planBody(this.#method, this.#headers) : this.#takeHeader(line)
  }

  #takeRequestLine(line: string): WireProblem | null {
    const [method = "", target = "", version, ...rest] = line.split(" ")
    if (version === undefined || rest.length > 0) return bad("the request line is not METHOD target HTTP/1.1")
    if (version !== "HTTP/1.1") return bad(`only HTTP/1.1 is spoken here, not ${quote(version)}`)
    if (!/^[A-Z]{1,16}$/.test(method)) return bad("the method is not one to sixteen capital letters")
    if (!/^[!-~]+$/.test(target)) return bad("the request's target is missing or holds a tab")
    if (target.length > MAX_TARGET)
      return { status: 431, problem: "the request's target is longer than 16 KiB" }
    this.#method = method
    return null
  }

  #takeHeader(line: string): WireProblem | null {
    if (/^[\t ]/.test(line)) return bad("a header is folded over two lines")
    const colon = line.indexOf(":")
    if (colon < 0) return bad("a header line has no colon")
    const name = line.slice(0, colon)
    if (!TOKEN.test(name)) return bad(`${quote(name)} is no header's name`)
    if (this.#headers.length === MAX_HEADERS)
      return { status: 431, problem: `there are more than ${MAX_HEADERS} headers` }
    this.#headers.push([name.toLowerCase(), line.slice(colon + 1).replace(/^[\t ]+|[\t ]+$/g, "")])
    return null
  }
}

function planBody(method: string, headers: StrictHeaders): BodyPlan | WireProblem {
  const all = (name: string) => headers.filter(([one]) => one === name).map(([, value]) => value)
  const [length, ...moreLengths] = all("content-length")
  const [coding, ...moreCodings] = all("transfer-encoding")
  if (length !== undefined && coding !== undefined)
    return bad("Content-Length and Transfer-Encoding contradict each other")
  if (moreLengths.length > 0 || moreCodings.length > 0) return bad("the length of the body is said twice")
  if (coding !== undefined && coding.toLowerCase() !== "chunked")
    return bad(`Transfer-Encoding ${quote(coding)} is not chunked`)
  if (length !== undefined && !LENGTH.test(length))
    return bad(`Content-Length ${quote(length)} is not one plain number`)
  const listed = all("connection").flatMap((value) => value.split(",").map((one) => one.trim().toLowerCase()))
  const stolen = listed.find((name) => NOT_TO_BE_NAMED.has(name))
  if (stolen !== undefined) return bad(`Connection names ${stolen}, which belongs to the message`)
  const hasBody = coding !== undefined || (length !== undefined && length !== "0")
  if (method === "CONNECT") return hasBody ? bad("CONNECT has no body") : { kind: "connect" }
  const upgrade = listed.includes("upgrade") ? all("upgrade").join(", ").toLowerCase() : ""
  if (upgrade !== "") return planUpgrade(upgrade, method, hasBody)
  return coding === undefined ? { kind: "length", bytes: Number(length ?? 0) } : { kind: "chunked" }
}

type StrictHeaders = readonly (readonly [name: string, value: string])[]

function planUpgrade(upgrade: string, method: string, hasBody: boolean): BodyPlan | WireProblem {
  if (upgrade !== "websocket")
    return { status: 501, problem: `upgrades to ${quote(upgrade)} are not passed on, only websocket is` }
  return method === "GET" && !hasBody
    ? { kind: "websocket" }
    : bad("a WebSocket begins with GET without a body")
}

function bad(problem: string): WireProblem {
  return { status: 400, problem }
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100))
}
