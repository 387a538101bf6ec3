import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { openGatewaySession } from "../../guest-agent/capture/gateway-session.ts"
import { readGatewayTarget } from "../../guest-agent/capture/gateway-target.ts"
import { makeAuthority, openTlsGateway } from "../fakes/tls-gateway.ts"

const ours = makeAuthority(Date.now())
let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "stereo-site-"))
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

function readTarget(gateway: unknown, ca = ours.cert) {
  const files = {
    gateway: join(dir, "gateway.json"),
    authority: join(dir, "gateway-ca.pem"),
    authorizedKeys: join(dir, "authorized_keys"),
  } as const
  writeFileSync(files.gateway, typeof gateway === "string" ? gateway : JSON.stringify(gateway))
  if (ca !== "") writeFileSync(files.authority, ca)
  // the paths differ from the image's, and nothing else
  return readGatewayTarget(files as unknown as Parameters<typeof readGatewayTarget>[0])
}

describe("a gateway that is elsewhere", () => {
  it("is called by HTTP/2 over TLS, and known by the one authority of the image", async () => {
    await using gateway = await openTlsGateway(ours.key, "127.0.0.1", 0, Date.now())
    const session = await openGatewaySession(readTarget({ address: "127.0.0.1", port: gateway.port }), 5_000)
    const stream = session.request(
      { ":method": "GET", ":scheme": "https", ":authority": "api.example.com", ":path": "/" },
      true,
    )
    const status = await new Promise((settle) =>
      stream.once("response", (headers) => settle(headers[":status"])),
    )
    expect(status).toBe(200)
    expect(gateway.seen).toMatchObject([{ headers: { ":authority": "api.example.com" } }])
    stream.destroy()
  })

  it.each([
    ["another authority", makeAuthority(Date.now()).cert, "127.0.0.1", {}],
    ["the same authority, for another address", ours.cert, "127.0.0.9", {}],
    ["the same authority, for another name", ours.cert, "other.internal", { name: "gateway.internal" }],
  ])("one with a certificate of %s gets no request", async (_what, ca, certified, more) => {
    await using gateway = await openTlsGateway(ours.key, certified, 0, Date.now())
    const target = readTarget({ address: "127.0.0.1", port: gateway.port, ...more }, ca)
    await expect(openGatewaySession(target, 5_000)).rejects.toMatchObject({ code: "gateway/unreachable" })
    expect(gateway.seen).toEqual([])
  })

  it("is known by name where the site gives one", async () => {
    await using gateway = await openTlsGateway(ours.key, "gateway.internal", 0, Date.now())
    const target = readTarget({ address: "127.0.0.1", port: gateway.port, name: "gateway.internal" })
    const session = await openGatewaySession(target, 5_000)
    expect(session.isOpen()).toBe(true)
  })

  it.each([
    ["no JSON", "{", ours.cert],
    ["no address", { address: "gateway.internal", port: 1 }, ours.cert],
    ["no port", { address: "127.0.0.1" }, ours.cert],
    ["no authority", { address: "127.0.0.1", port: 1 }, ""],
  ])("files that hold %s are a fault, and nothing goes out in plain text instead", (_what, gateway, ca) => {
    expect(() => readTarget(gateway, ca)).toThrow(expect.objectContaining({ code: "capture/bad-site" }))
  })
})
