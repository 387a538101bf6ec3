import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { type AddressInfo, isIP } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parseChallenge } from "../../../publish/oci/registry/challenge.ts"
import { type Credential, readCredential } from "../../../publish/oci/registry/docker-config.ts"
import { openTransport } from "../../../publish/oci/registry/transport.ts"
import { trustNewAuthority } from "../../fakes/certificates.ts"
import { openDockerRegistry, registryTree } from "../../fakes/registry/docker-registry.ts"
import { openFaultyProxy } from "../../fakes/registry/faulty-proxy.ts"
import { openTokenServer } from "../../fakes/registry/token-server.ts"
import { HTPASSWD, HTPASSWD_AUTH, PASSWORD, right, USER } from "./password.ts"
import { type Lab, openLab } from "./registry-lab.ts"

const wrong: Credential = { kind: "password", user: USER, password: "guess" }

let lab: Lab
beforeAll(async () => {
  // before the tests, whose time is shorter
  await registryTree()
  lab = await openLab()
}, 300_000)
afterAll(() => lab[Symbol.asyncDispose]())

describe("a registry that wants a password", () => {
  it("gets it, and says no to a wrong one and to none", async () => {
    await using registry = await openDockerRegistry({ auth: HTPASSWD_AUTH, files: { htpasswd: HTPASSWD } })
    const name = `${registry.host}/base:1`
    for (const credential of [wrong, { kind: "none" } as const]) {
      await expect(lab.push(name, { credential })).rejects.toMatchObject({ code: "registry/denied" })
    }
    const pushed = await lab.push(name, { credential: right })
    const pulled = await lab.pull(`${registry.host}/base@${pushed.digest}`, { credential: right })
    expect(pulled.digest).toBe(lab.image.digest)
  })

  it("says which program keeps the credentials that stereo cannot get at", async () => {
    await using registry = await openDockerRegistry({ auth: HTPASSWD_AUTH, files: { htpasswd: HTPASSWD } })
    const credential = { kind: "helper", program: "docker-credential-pass" } as const
    await expect(lab.push(`${registry.host}/base:1`, { credential })).rejects.toMatchObject({
      code: "registry/helper",
      message: expect.stringContaining("docker-credential-pass"),
    })
  })
})

describe("a registry that wants a token", () => {
  it.each<[string, Credential]>([
    ["a password", right],
    ["a refresh token", { kind: "identity", token: "refresh me" }],
  ])("gets one that was given for %s, for just this repository", async (_what, credential) => {
    await using server = await openTokenServer(USER, PASSWORD, "refresh me")
    await using registry = await openDockerRegistry({
      auth: server.auth,
      files: { "root.pem": server.rootPem },
    })
    const pushed = await lab.push(`${registry.host}/team/base:1`, { credential })
    const pulled = await lab.pull(`${registry.host}/team/base@${pushed.digest}`, { credential })
    expect(pulled.digest).toBe(lab.image.digest)
    const scopes = new Set(server.asked.map(({ fields }) => fields.getAll("scope").join(" ")))
    expect([...scopes]).toEqual(["repository:team/base:pull,push", "repository:team/base:pull"])
  })

  it("gets another one when the first has ended", async () => {
    await using server = await openTokenServer(USER, PASSWORD, "")
    // distribution grants a minute more than the token says
    server.lifeSeconds = -58
    await using registry = await openDockerRegistry({
      auth: server.auth,
      files: { "root.pem": server.rootPem },
    })
    await using proxy = await openFaultyProxy(registry.host)
    let patches = 0
    const slow = new Promise((resolve) => setTimeout(resolve, 2500))
    proxy.mishap = ({ method }) =>
      method === "PATCH" && ++patches === 1 ? { kind: "delay", until: slow } : null
    await lab.push(`${proxy.host}/team/base:1`, { credential: right })
    expect(proxy.passed.filter(({ status }) => status === 401).length).toBeGreaterThan(1)
    expect(server.asked.length).toBeGreaterThan(1)
  })

  it("gets one in the end when the service is busy", async () => {
    await using server = await openTokenServer(USER, PASSWORD, "")
    await using registry = await openDockerRegistry({
      auth: server.auth,
      files: { "root.pem": server.rootPem },
    })
    server.busy = 2
    await lab.push(`${registry.host}/patient:1`, { credential: right })
    expect(server.asked.length).toBeGreaterThan(2)
  })

  it("is not given one for a wrong password", async () => {
    await using server = await openTokenServer(USER, PASSWORD, "")
    await using registry = await openDockerRegistry({
      auth: server.auth,
      files: { "root.pem": server.rootPem },
    })
    await expect(lab.push(`${registry.host}/base:1`, { credential: wrong })).rejects.toMatchObject({
      code: "registry/denied",
      message: expect.stringContaining("gives no token"),
    })
  })
})

describe("TLS", () => {
  it("is used with a registry whose certificate an authority of one's own has signed, and with no other", async () => {
    const certify = trustNewAuthority()
    const good = certify({ name: "127.0.0.1" })
    const tls = "{certificate: /work/cert.pem, key: /work/key.pem}"
    await using registry = await openDockerRegistry({
      tls,
      files: { "cert.pem": good.cert, "key.pem": good.key },
    })
    const pushed = await lab.push(`${registry.host}/base:1`)
    expect((await lab.pull(`${registry.host}/base@${pushed.digest}`)).digest).toBe(lab.image.digest)
    const bad = certify({ name: "127.0.0.1", selfSigned: true })
    await using other = await openDockerRegistry({ tls, files: { "cert.pem": bad.cert, "key.pem": bad.key } })
    await expect(lab.push(`${other.host}/base:1`)).rejects.toMatchObject({
      code: "registry/unreachable",
      hint: expect.stringContaining("NODE_EXTRA_CA_CERTS"),
    })
  })

  it.each([
    "http://registry.example/v2/",
    "http://10.0.0.1/v2/",
    "http://127.0.0.1.example/v2/",
    "ftp://127.0.0.1/",
  ])("is not gone without for %s", async (url) => {
    await using transport = openTransport({ plainHttp: false, proxy: { https: "", http: "", except: "" } })
    expect(() => transport.check(new URL(url))).toThrow("without TLS")
  })
})

describe("a proxy of the environment", () => {
  it("carries what is for other machines, and nothing that is for this one", async () => {
    const asked: string[] = []
    const server = createServer()
    server.on("connect", (request, socket) => {
      asked.push(request.url ?? "")
      socket.end("HTTP/1.1 502 no\r\n\r\n")
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const { address, port } = server.address() as AddressInfo // it listens on TCP
    expect(isIP(address)).toBe(4)
    const proxy = `http://127.0.0.1:${port}`
    await using transport = openTransport({
      plainHttp: false,
      proxy: { https: proxy, http: proxy, except: "near.example" },
    })
    const get = (url: string) =>
      transport.send({
        method: "GET",
        url: new URL(url),
        headers: {},
        body: null,
        signal: AbortSignal.timeout(5000),
      })
    await expect(get("https://registry.example/v2/")).rejects.toThrow()
    await expect(get("https://127.0.0.1:1/v2/")).rejects.toThrow()
    await expect(get("https://near.example/v2/")).rejects.toThrow()
    expect(asked).toEqual(["registry.example:443"])
    server.closeAllConnections()
    server.close()
  })
})

describe("docker's config.json", () => {
  const dir = mkdtempSync(join(tmpdir(), "stereo-config-"))
  const file = join(dir, "config.json")
  const read = (config: unknown, host = "r.example:5000") => {
    writeFileSync(file, typeof config === "string" ? config : JSON.stringify(config))
    return readCredential(file, host)
  }
  afterAll(() => rmSync(dir, { recursive: true }))
  const auth = Buffer.from("me:pass:word").toString("base64")
  const password = { kind: "password", user: "me", password: "pass:word" }

  it.each([
    ["auth in base64", { auths: { "r.example:5000": { auth } } }, password],
    ["a key that is a URL", { auths: { "https://r.example:5000/v1/": { auth } } }, password],
    [
      "user and password",
      { auths: { "r.example:5000": { username: "me", password: "pass:word" } } },
      password,
    ],
    [
      "a refresh token",
      { auths: { "r.example:5000": { auth, identitytoken: "t" } } },
      { kind: "identity", token: "t" },
    ],
    ["another host's only", { auths: { "r.example": { auth } } }, { kind: "none" }],
    [
      "a helper for the host",
      { credHelpers: { "r.example:5000": "pass" } },
      { kind: "helper", program: "docker-credential-pass" },
    ],
    [
      "a helper for all",
      { auths: { "r.example:5000": {} }, credsStore: "x" },
      { kind: "helper", program: "docker-credential-x" },
    ],
    ["nothing", {}, { kind: "none" }],
  ])("is read with %s", async (_what, config, expected) => {
    expect(await read(config)).toEqual(expected)
  })

  it.each(["{", '{"auths": 1}', '{"auths": {"r.example:5000": {"auth": "c2VjcmV0"}}}'])(
    "is refused when it is broken, without showing what stands there: %s",
    async (text) => {
      const failure = await read(text).catch((thrown: unknown) => thrown)
      expect(failure).toMatchObject({ code: "registry/bad-config" })
      expect(String(failure)).not.toContain("c2VjcmV0")
      expect(String(failure)).not.toContain("secret")
    },
  )

  it("may be missing", async () => {
    expect(await readCredential(join(dir, "none.json"), "r.example")).toEqual({ kind: "none" })
  })
})

describe("a challenge", () => {
  it.each([
    [
      'Bearer realm="https://a/token",service="s",scope="repository:x:pull,push"',
      { scheme: "bearer", realm: "https://a/token", service: "s", scope: "repository:x:pull,push" },
    ],
    [
      'Basic realm="x", Bearer realm="https://a/t"',
      { scheme: "bearer", realm: "https://a/t", service: null, scope: null },
    ],
    [
      'bearer REALM="https://a/t\\"x"',
      { scheme: "bearer", realm: 'https://a/t"x', service: null, scope: null },
    ],
    ["Basic", { scheme: "basic" }],
    ['Basic realm="a, Bearer realm=b"', { scheme: "basic" }],
    ["Bearer", null],
    ["Negotiate", null],
    ["", null],
  ])("%s", (header, expected) => {
    expect(parseChallenge(header)).toEqual(expected)
  })
})
