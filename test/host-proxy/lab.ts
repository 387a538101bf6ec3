/** A provider, a host service, and a guest connected to it, for tests of whole calls. */

import { openReader } from "../../host-proxy/archive/open-reader.ts"
import type { ExchangeRow } from "../../host-proxy/archive/schema.ts"
import type { HostOptions } from "../../host-proxy/open-host.ts"
import {
  type GuestAnswer,
  type GuestControl,
  type GuestEgress,
  openGuestControl,
  openGuestEgress,
} from "../fakes/guest.ts"
import { callHost, startHost } from "../fakes/host-client.ts"
import { type HostLab, type LabOptions, openHostLab, PLACEHOLDER } from "../fakes/host-lab.ts"
import { type FakeProvider, type FakeProviderOptions, openFakeProvider } from "../fakes/provider.ts"

export interface Lab extends AsyncDisposable {
  readonly provider: FakeProvider
  readonly files: HostLab
  readonly guest: GuestEgress
  /** The guest's agent; disposed of, its socket is free for another. */
  readonly control: GuestControl
  /** The host service's log. */
  readonly lines: readonly string[]
  /** Every archived exchange, read as another process would. */
  rows(): Promise<readonly ExchangeRow[]>
}

export interface LabParts {
  readonly provider?: FakeProviderOptions
  readonly files?: Partial<LabOptions>
  readonly host?: Partial<HostOptions>
  /** There is no guest agent, so nobody says that the machine is what its image promises. */
  readonly unmeasured?: boolean
}

export async function openLab(parts: LabParts = {}): Promise<Lab> {
  await using stack = new AsyncDisposableStack()
  const provider = stack.use(await openFakeProvider(parts.provider))
  const files = stack.use(openHostLab({ upstream: provider.url, ...parts.files }))
  const lines: string[] = []
  const control = stack.use(await openGuestControl(files.machine))
  if (parts.unmeasured) await control[Symbol.asyncDispose]()
  stack.use(await startHost(files, lines, parts.host))
  const attached = await callHost(files.home.hostSocket, "POST", "/machines/lab/attach")
  if (attached.status !== 204) throw new Error(`attach: ${attached.body}`)
  if (!parts.unmeasured) await awaitReady(files)
  const guest = stack.use(await openGuestEgress(files.machine.egressSocket))
  const owned = stack.move()
  return {
    provider,
    files,
    guest,
    control,
    lines,
    rows: () => readRows(files),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** The guest has its identity, and calls may pass. */
export async function awaitReady(files: HostLab): Promise<void> {
  const ready = await callHost(files.home.hostSocket, "GET", "/machines/lab/ready?timeout_ms=10000")
  if (ready.status !== 200) throw new Error(`ready: ${ready.body}`)
}

/** A call of Anthropic's Messages API; `fake` asks the fake provider for misbehaviour. */
export function messagesCall(fake = "", body: Readonly<Record<string, unknown>> = {}) {
  const request = {
    model: "claude-sonnet-4-6",
    max_tokens: 64,
    stream: true,
    messages: [],
    tools: [{}],
    ...body,
  }
  return {
    authority: "api.anthropic.com",
    path: "/v1/messages",
    headers: {
      "x-api-key": PLACEHOLDER,
      "content-type": "application/json",
      ...(fake ? { "x-fake": fake } : {}),
    },
    body: JSON.stringify(request),
  }
}

/** A call whose answer has begun and does not end by itself. */
export function beginCall(lab: Lab): Promise<{ readonly answer: Promise<GuestAnswer> }> {
  const begun = Promise.withResolvers<{ readonly answer: Promise<GuestAnswer> }>()
  const answer = lab.guest.send(messagesCall("stall=2"), () => {
    begun.resolve({ answer })
    return true
  })
  return begun.promise
}

export async function readRows(files: HostLab): Promise<readonly ExchangeRow[]> {
  const reader = openReader(files.home.archive)
  if (!reader) return []
  try {
    return await reader.exchanges()
  } finally {
    await reader[Symbol.asyncDispose]()
  }
}

/** Asks until there is an answer other than null; fails after twenty seconds. */
export async function eventually<Result>(ask: () => Promise<Result | null> | Result | null): Promise<Result> {
  for (let round = 0; round < 1000; round += 1) {
    const answer = await ask()
    if (answer !== null) return answer
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error("it did not happen in twenty seconds")
}
