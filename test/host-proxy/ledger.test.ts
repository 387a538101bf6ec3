import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "vitest"
import { openGuestControl, openGuestEgress } from "../fakes/guest.ts"
import { callHost, startHost } from "../fakes/host-client.ts"
import { type HostLab, openHostLab } from "../fakes/host-lab.ts"
import { openFakeProvider } from "../fakes/provider.ts"
import { eventually, messagesCall } from "./lab.ts"

function costRows(lab: HostLab) {
  const database = new DatabaseSync(join(lab.home.archive, "archive.db"))
  const rows = database.prepare("select * from costs order by derived_at_ms").all()
  database.close()
  return rows
}

async function callOnce(lab: HostLab): Promise<void> {
  await using _host = await startHost(lab)
  await callHost(lab.home.hostSocket, "POST", "/machines/lab/attach")
  using guest = await openGuestEgress(lab.machine.egressSocket)
  await guest.send(messagesCall())
  await eventually(() => (costRows(lab).length > 0 ? true : null))
}

describe("the ledger", () => {
  it("prices again with a new row when the price table has changed, and keeps the old one", async () => {
    await using provider = await openFakeProvider()
    using lab = openHostLab({ upstream: provider.url })
    await using _agent = await openGuestControl(lab.machine)
    await callOnce(lab)
    const file = join(lab.policiesDir, "prices", "anthropic.toml")
    const text = readFileSync(file, "utf8")
    writeFileSync(
      file,
      text.replace(/^version = .*$/m, 'version = "next"').replaceAll('output = "15"', 'output = "30"'),
    )
    await using _host = await startHost(lab)
    const rows = await eventually(() => (costRows(lab).length === 2 ? costRows(lab) : null))
    expect(rows.map((row) => row["price_version"])).toEqual(["anthropic-2026-11-23", "next"])
    const [before, after] = rows.map((row) => Number(row["cost_nano_usd"]))
    expect((after ?? 0) - (before ?? 0)).toBe(46 * 15_000)
  })

  it("derives at the next start what a crash left out", async () => {
    await using provider = await openFakeProvider()
    using lab = openHostLab({ upstream: provider.url })
    await using _agent = await openGuestControl(lab.machine)
    await callOnce(lab)
    const database = new DatabaseSync(join(lab.home.archive, "archive.db"))
    database.exec("delete from costs")
    database.close()
    await using _host = await startHost(lab)
    const rows = await eventually(() => (costRows(lab).length === 1 ? costRows(lab) : null))
    expect(rows[0]).toMatchObject({ model: "claude-sonnet-4-6", usage_source: "reported" })
  })

  it("shows a call that was left before an answer came, without a price", async () => {
    const silent = createServer((request) => request.resume()).listen(0, "127.0.0.1")
    await once(silent, "listening")
    const { port } = silent.address() as AddressInfo // a TCP server's address is never a string
    using lab = openHostLab({ upstream: `http://127.0.0.1:${port}` })
    await using _agent = await openGuestControl(lab.machine)
    await using _host = await startHost(lab)
    await callHost(lab.home.hostSocket, "POST", "/machines/lab/attach")
    const guest = await openGuestEgress(lab.machine.egressSocket)
    const asked = once(silent, "request")
    const answer = guest.send(messagesCall())
    await asked
    guest[Symbol.dispose]()
    await Promise.allSettled([answer])
    const rows = await eventually(() => (costRows(lab).length === 1 ? costRows(lab) : null))
    expect(rows[0]).toMatchObject({
      cost_nano_usd: null,
      unpriced_reason: "the call was left before an answer came",
    })
    silent.closeAllConnections()
    silent.close()
  })
})
