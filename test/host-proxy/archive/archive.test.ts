import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { newIdentifier } from "../../../contract/identifier.ts"
import { maskHeaders, maskTarget } from "../../../host-proxy/archive/mask.ts"
import { type Archive, openArchive } from "../../../host-proxy/archive/open-archive.ts"
import { openReader } from "../../../host-proxy/archive/open-reader.ts"
import type { ExchangeOpening } from "../../../host-proxy/exchange.ts"
import { messagesCall, openLab } from "../lab.ts"

let dir = ""
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "stereo-archive-"))
})
afterEach(() => rmSync(dir, { recursive: true }))

const open = (): Promise<Archive> => openArchive(dir, Date.now(), () => undefined)

function opening(): ExchangeOpening {
  const claims = { exchange: null, process: null, sni: null, session: null }
  return {
    id: newIdentifier(Date.now()),
    caller: { machine: "m", runId: "r", team: "t", project: "p" },
    head: { method: "POST", scheme: "https", authority: "a.example.com", target: "/x", headers: [], claims },
    startedAtMs: Date.now(),
  }
}
const END = { outcome: "complete", upstreamError: null, endedAtMs: 1 } as const

describe("the archive", () => {
  it("gives back the raw bytes of both bodies, and leaves no spool behind", async () => {
    await using archive = await open()
    const exchange = await archive.begin(opening())
    exchange.request.append(Buffer.from("asked"))
    for (const part of ["ans", "wer", "ed"]) exchange.response.append(Buffer.from(part))
    const row = await exchange.seal(END)
    await using reader = openReader(dir)
    expect((await reader?.body(row.request_sha256))?.toString()).toBe("asked")
    expect((await reader?.body(row.response_sha256))?.toString()).toBe("answered")
    expect(readdirSync(join(dir, "spool"))).toEqual([])
  })

  it("begins nothing when the disk is nearly full, so that a guest's calls cannot fill it", async () => {
    await using archive = await openArchive(dir, Date.now(), () => undefined, Number.MAX_SAFE_INTEGER)
    await expect(archive.begin(opening())).rejects.toMatchObject({ code: "archive/unavailable" })
    expect(readdirSync(join(dir, "spool"))).toEqual([])
  })

  it("keeps equal bodies once", async () => {
    await using archive = await open()
    for (let round = 0; round < 3; round += 1) {
      const exchange = await archive.begin(opening())
      exchange.response.append(Buffer.from("the same"))
      await exchange.seal(END)
    }
    const blobs = readdirSync(join(dir, "blobs"), { recursive: true, encoding: "utf8" })
    expect(blobs.filter((name) => name.endsWith(".zst"))).toHaveLength(1)
  })

  it("recovers what a crash left in the spool, once", async () => {
    {
      await using crashed = await open()
      const exchange = await crashed.begin(opening())
      exchange.answer({ status: 200, headers: [["content-type", "text/plain"]], firstByteAtMs: 5 })
      exchange.response.append(Buffer.from("half of the ans"))
    }
    await using archive = await open()
    expect(archive.recovered).toMatchObject([{ outcome: "interrupted", status: 200, response_bytes: 15 }])
    await using again = await open()
    expect(again.recovered).toEqual([])
  })

  it("refuses a layout that it does not know", async () => {
    {
      await using _first = await open()
    }
    const { DatabaseSync } = await import("node:sqlite")
    const database = new DatabaseSync(join(dir, "archive.db"))
    database.exec("pragma user_version = 99")
    database.close()
    await expect(open()).rejects.toMatchObject({ code: "archive/other-version" })
  })

  it("that is broken on the disk is a fault, not an empty archive", async () => {
    writeFileSync(join(dir, "archive.db"), "this is no database, whatever its name says".repeat(100))
    await expect(open()).rejects.toMatchObject({ code: "archive/cannot-open" })
  })
})

describe("without an archive", () => {
  it("no call is made, and calls are made again when it is back", async () => {
    await using lab = await openLab()
    const spool = join(lab.files.home.archive, "spool")
    rmSync(spool, { recursive: true })
    const refused = await lab.guest.send(messagesCall())
    expect(refused.status).toBe(503)
    expect(refused.headers["stereo-verdict"]).toBe("archive/unavailable")
    expect(lab.provider.requests).toHaveLength(0)
    const { mkdirSync } = await import("node:fs")
    mkdirSync(spool, { mode: 0o700 })
    expect((await lab.guest.send(messagesCall())).status).toBe(200)
  })

  it("an answer that cannot be recorded never ends well", async () => {
    await using lab = await openLab()
    const blobs = join(lab.files.home.archive, "blobs")
    rmSync(blobs, { recursive: true })
    writeFileSync(blobs, "a file where a folder was")
    const answer = await lab.guest.send(messagesCall())
    expect(answer.complete).toBe(false)
    expect((await lab.guest.send(messagesCall())).status).toBe(503)
    rmSync(blobs)
    const { mkdirSync } = await import("node:fs")
    mkdirSync(blobs, { mode: 0o700 })
    chmodSync(blobs, 0o700)
    expect((await lab.guest.send(messagesCall())).complete).toBe(true)
    // the one that could not be recorded is there too by now
    expect((await lab.rows()).map((row) => row.outcome).sort()).toEqual(["complete", "interrupted"])
  })
})

describe("masking", () => {
  it("takes credentials out of headers and URLs, and nothing else", () => {
    const headers = [
      ["authorization", "Bearer abc"],
      ["x-api-key", "k"],
      ["set-cookie", "a=b"],
      ["accept", "x"],
      ["x-goog-api-key", "g"],
    ] as const
    expect(maskHeaders(headers)).toEqual([
      ["authorization", "<masked:10>"],
      ["x-api-key", "<masked:1>"],
      ["set-cookie", "<masked:3>"],
      ["accept", "x"],
      ["x-goog-api-key", "<masked:1>"],
    ])
    expect(maskTarget("/a?key=secret&page=2&X-Amz-Signature=abc")).toBe(
      "/a?key=<masked:6>&page=2&X-Amz-Signature=<masked:3>",
    )
    expect(maskTarget("/a")).toBe("/a")
  })
})
