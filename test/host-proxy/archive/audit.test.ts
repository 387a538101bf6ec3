import { DatabaseSync } from "node:sqlite"
import { describe, expect, it } from "vitest"
import { openReader } from "../../../host-proxy/archive/open-reader.ts"
import { openHostClient } from "../../../machine/host-client.ts"
import { callHost, startHost } from "../../fakes/host-client.ts"
import { type HostLab, openHostLab } from "../../fakes/host-lab.ts"
import { openLab } from "../lab.ts"

const NOWHERE = "http://127.0.0.1:9"

function openDatabase(files: HostLab): DatabaseSync {
  return new DatabaseSync(`${files.home.archive}/archive.db`)
}

async function auditOf(files: HostLab) {
  await using reader = openReader(files.home.archive)
  return (await reader?.audit()) ?? []
}

describe("the audit record", () => {
  it("takes neither a change nor a deletion, from whoever writes to the archive", async () => {
    await using lab = await openLab()
    using host = openHostClient(lab.files.home.hostSocket)
    await host.reload("lab", null, AbortSignal.timeout(10_000))
    const other = openDatabase(lab.files)
    expect(() => other.exec("update audit set why = 'another'")).toThrow("only appended to")
    expect(() => other.exec("delete from audit")).toThrow("only appended to")
    other.close()
  })

  it("is added to an archive of layout 1 as a service opens it, and readers take both", async () => {
    using files = openHostLab({ upstream: NOWHERE })
    await (await startHost(files))[Symbol.asyncDispose]()
    const older = openDatabase(files)
    older.exec("drop table audit; pragma user_version = 1")
    older.close()
    expect(await auditOf(files)).toEqual([])
    await using _host = await startHost(files)
    expect((await callHost(files.home.hostSocket, "POST", "/machines/lab/reload")).status).toBe(200)
    expect(await auditOf(files)).toMatchObject([{ action: "reload" }])
    const newer = openDatabase(files)
    expect(newer.prepare("pragma user_version").get()).toEqual({ user_version: 2 })
    newer.exec("pragma user_version = 3")
    newer.close()
    await expect(auditOf(files)).rejects.toMatchObject({ code: "archive/other-version" })
  })
})
