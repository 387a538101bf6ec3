import { expect, it } from "vitest"
import type { AskEvent } from "../../contract/host-egress-api.ts"
import { AskDesk, type AskedCall } from "../../host-proxy/ask/ask-desk.ts"

function callOf(queryBytes: number): AskedCall {
  const query = "x".repeat(queryBytes)
  const request = { host: "a.example.com", port: 443, method: "GET", path: "/", query, websocket: false }
  return { request: { scheme: "https", ...request }, process: null, hasBody: false }
}

it("nobody is asked about a request that is too long to be shown whole", async () => {
  const desk = new AskDesk(Date.now)
  const said: AskEvent[] = []
  const close = desk.open({ timeoutMs: 5000, say: (event) => said.push(event), end: () => undefined })
  const { signal } = new AbortController()
  expect(await desk.ask(callOf(1999), signal)).toMatchObject({
    kind: "refused",
    reason: expect.stringContaining("2001 bytes"),
  })
  expect(said).toEqual([])
  const asked = desk.ask(callOf(1998), signal)
  expect(said).toMatchObject([{ kind: "question", path: `/?${"x".repeat(1998)}` }])
  close()
  expect(await asked).toMatchObject({ kind: "refused" })
})
