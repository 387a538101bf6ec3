import { X509Certificate } from "node:crypto"
import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { createServer as createTcpServer } from "node:net"
import { connect, type TLSSocket } from "node:tls"
import { describe, expect, it } from "vitest"
import { createAuthority } from "../../guest-agent/capture/authority.ts"
import { terminateTls } from "../../guest-agent/capture/tls-front.ts"

const NOW_MS = Date.UTC(2026, 10, 23)

/** A handshake with the proxy's TLS end by a client that trusts only the authority. */
async function handshake(servername: string, options: object = {}): Promise<TLSSocket> {
  const authority = createAuthority(() => NOW_MS)
  const server = createTcpServer((socket) =>
    terminateTls(socket, authority, "fallback.example", () => undefined),
  )
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  const client = connect({ port, host: "127.0.0.1", servername, ca: authority.certificate, ...options })
  try {
    await once(client, "secureConnect")
    return client
  } catch (thrown) {
    client.destroy()
    throw thrown
  } finally {
    server.close()
  }
}

describe("the guest's certificate authority", () => {
  it("is a CA that may not make other CAs", () => {
    const certificate = new X509Certificate(createAuthority(() => NOW_MS).certificate)
    expect(certificate.ca).toBe(true)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect(certificate.checkIssued(certificate)).toBe(true)
  })

  it("is another one each time", () => {
    const [one, two] = [createAuthority(() => NOW_MS), createAuthority(() => NOW_MS)]
    expect(new X509Certificate(one.certificate).fingerprint256).not.toBe(
      new X509Certificate(two.certificate).fingerprint256,
    )
  })

  it.each(["api.example.com", "xn--bcher-kva.example", "a_b.example"])(
    "is believed by a strict client for %s",
    async (name) => {
      const client = await handshake(name)
      expect(client.authorized).toBe(true)
      const peer = client.getPeerX509Certificate()
      expect(peer?.subjectAltName).toBe(`DNS:${name}`)
      expect(peer?.ca).toBe(false)
      expect(peer?.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"])
      expect(Date.parse(peer?.validFrom ?? "")).toBeLessThan(NOW_MS)
      expect(Date.parse(peer?.validTo ?? "")).toBeGreaterThan(NOW_MS)
      client.destroy()
    },
  )

  it("speaks TLS 1.2 and 1.3, and nothing older", async () => {
    const modern = await handshake("a.example", { maxVersion: "TLSv1.2" })
    expect(modern.getProtocol()).toBe("TLSv1.2")
    modern.destroy()
    await expect(
      handshake("a.example", { maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "DEFAULT@SECLEVEL=0" }),
    ).rejects.toThrow()
  })

  it("agrees on HTTP/1.1, and fails at once with a client that wants only HTTP/2", async () => {
    const client = await handshake("a.example", { ALPNProtocols: ["h2", "http/1.1"] })
    expect(client.alpnProtocol).toBe("http/1.1")
    client.destroy()
    await expect(handshake("a.example", { ALPNProtocols: ["h2"] })).rejects.toThrow()
  })

  it("uses the fallback name for a client that names none", async () => {
    const client = await handshake("", { rejectUnauthorized: false })
    expect(client.getPeerX509Certificate()?.subjectAltName).toBe("DNS:fallback.example")
    client.destroy()
  })
})
