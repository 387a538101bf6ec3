import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { zstdDecompressSync } from "node:zlib"
import { describe, expect, it } from "vitest"
import { OPENAI_PLACEHOLDER, OPENAI_REAL_KEY, PLACEHOLDER, REAL_KEY } from "../fakes/host-lab.ts"
import { eventually, messagesCall, openLab } from "./lab.ts"

/** Every byte that lies under a folder, compressed blobs unpacked too. */
function everyByte(dir: string): string {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .map((name) => join(dir, name))
    .filter((path) => statSync(path).isFile())
    .map((path) => {
      const bytes = readFileSync(path)
      return `${bytes.toString("latin1")}${path.endsWith(".zst") ? zstdDecompressSync(bytes).toString("latin1") : ""}`
    })
    .join("\n")
}

describe("the real credential", () => {
  it("enters only towards the provider; the placeholder and stereo's headers stay behind", async () => {
    await using lab = await openLab()
    const call = messagesCall()
    const headers = { ...call.headers, "stereo-process": "7 /usr/bin/node", "x-kept": "yes", te: "trailers" }
    await lab.guest.send({ ...call, headers })
    const seen = lab.provider.requests[0]?.headers ?? {}
    expect(seen).toMatchObject({ "x-api-key": REAL_KEY, "x-kept": "yes" })
    expect(JSON.stringify(seen)).not.toContain(PLACEHOLDER)
    expect(Object.keys(seen).filter((name) => name.startsWith("stereo-") || name === "te")).toEqual([])
  })

  it("takes the place of a bearer token too", async () => {
    await using lab = await openLab()
    const headers = { authorization: `Bearer ${OPENAI_PLACEHOLDER}`, "content-type": "application/json" }
    const body = JSON.stringify({ model: "gpt-5-nano", messages: [] })
    const answer = await lab.guest.send({
      authority: "api.openai.com",
      path: "/v1/chat/completions",
      headers,
      body,
    })
    expect(answer.status).toBe(200)
    expect(lab.provider.requests[0]?.headers["authorization"]).toBe(`Bearer ${OPENAI_REAL_KEY}`)
  })

  it.each(["echo=1", "echo=gzip"])(
    "that the provider echoes (%s) is cut before the guest sees it",
    async (fake) => {
      await using lab = await openLab()
      const answer = await lab.guest.send(messagesCall(fake))
      expect(answer.complete).toBe(false)
      expect(answer.body.toString("latin1")).not.toContain(REAL_KEY)
      const row = await eventually(async () => (await lab.rows())[0] ?? null)
      expect(row).toMatchObject({ outcome: "upstream-failed" })
      expect(row?.upstream_error).toContain("real credential")
    },
  )

  it("is found nowhere in the archive nor in the log, whatever happened", async () => {
    await using lab = await openLab()
    for (const fake of ["", "echo=1", "echo=gzip", "cut=2", "status=500"]) {
      await lab.guest.send(messagesCall(fake))
    }
    await lab.guest.send({ ...messagesCall(), path: `/v1/messages?api_key=${PLACEHOLDER}` })
    const all = everyByte(lab.files.home.archive) + lab.lines.join("\n")
    expect(all).not.toContain(REAL_KEY)
    expect(all).not.toContain(PLACEHOLDER)
    expect(all).toContain("<masked:")
  })
})

describe("a credential that stereo did not issue", () => {
  it.each([
    ["another key", { "x-api-key": "sk-ant-api03-of-somebody-else" }],
    ["none", {}],
    ["the right one beside another", { "x-api-key": PLACEHOLDER, authorization: "Bearer sk-ant-other" }],
    ["another provider's placeholder", { "x-api-key": OPENAI_PLACEHOLDER }],
  ])("is refused on a managed host: %s", async (_what, headers) => {
    await using lab = await openLab()
    const answer = await lab.guest.send({ ...messagesCall(), headers })
    expect(answer.status).toBe(403)
    expect(answer.headers["stereo-verdict"]).toBe("credential/not-issued")
    expect(lab.provider.requests).toHaveLength(0)
  })

  it("a placeholder is refused at any other host", async () => {
    await using lab = await openLab({
      files: { egressSets: ["anthropic"], upstream: "http://127.0.0.1:9" },
    })
    const headers = { "x-api-key": PLACEHOLDER, "x-copy": OPENAI_PLACEHOLDER }
    const answer = await lab.guest.send({ authority: "example.org", path: "/", headers, method: "GET" })
    expect(answer.status).toBe(403)
  })
})
