/** How many bytes of a request's head count as sent: of one under way, and the same of one that is archived. */

import type { GuestHead } from "./exchange.ts"

/** Where the archive keeps a length in place of a secret. */
const MASKED = /<masked:(\d{1,6})>/g

/** Whatever of the head an agent chooses. A value that only looks masked never counts for less than it is. */
export function headBytes(head: Pick<GuestHead, "method" | "authority" | "target" | "headers">): number {
  const headers = head.headers.reduce((sum, [name, value]) => sum + name.length + measure(value) + 4, 0)
  return head.method.length + head.authority.length + measure(head.target) + headers
}

function measure(text: string): number {
  let bytes = text.length
  for (const [mark, length] of text.matchAll(MASKED)) bytes += Math.max(0, Number(length) - mark.length)
  return bytes
}
