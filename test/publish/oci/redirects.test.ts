import { rmSync } from "node:fs"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { Credential } from "../../../publish/oci/registry/docker-config.ts"
import { openDockerRegistry, registryTree } from "../../fakes/registry/docker-registry.ts"
import { openFaultyProxy } from "../../fakes/registry/faulty-proxy.ts"
import { HTPASSWD, HTPASSWD_AUTH, PASSWORD, right, USER } from "./password.ts"
import { type Lab, openLab } from "./registry-lab.ts"

let lab: Lab
beforeAll(async () => {
  // before the tests, whose time is shorter
  await registryTree()
  lab = await openLab()
}, 300_000)
afterAll(() => lab[Symbol.asyncDispose]())

describe("where a registry sends one", () => {
  it("blobs are fetched from another host, which never sees what the registry was shown", async () => {
    await using registry = await openDockerRegistry({ auth: HTPASSWD_AUTH, files: { htpasswd: HTPASSWD } })
    await using proxy = await openFaultyProxy(registry.host)
    await using elsewhere = await openFaultyProxy(registry.host)
    const pushed = await lab.push(`${registry.host}/base:1`, { credential: right })
    const basic = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString("base64")}`
    proxy.mishap = ({ method, path, headers }) => {
      if (method !== "GET" || !path.includes("/blobs/") || headers.authorization !== basic) return null
      return {
        kind: "answer",
        status: 307,
        headers: { location: `http://${elsewhere.host}${path}?signature=1` },
      }
    }
    // the other host is let into the registry, so that a body comes
    elsewhere.mishap = () => ({ kind: "add-header", name: "authorization", value: basic })
    rmSync(lab.to.home.images, { recursive: true, force: true })
    const pulled = await lab.pull(`${proxy.host}/base@${pushed.digest}`, { credential: right })
    expect(pulled.digest).toBe(lab.image.digest)
    expect(elsewhere.passed.length).toBeGreaterThan(5)
    expect(elsewhere.passed.filter(({ headers }) => headers.authorization !== undefined)).toEqual([])
    expect(proxy.passed.some(({ headers }) => headers.authorization === basic)).toBe(true)
  })

  it.each<[string, Credential]>([
    ["a password", right],
    ["a refresh token", { kind: "identity", token: "refresh me" }],
  ])("another host that asks for a token gets none for %s", async (_what, credential) => {
    await using registry = await openDockerRegistry()
    await using proxy = await openFaultyProxy(registry.host)
    await using elsewhere = await openFaultyProxy(registry.host)
    proxy.mishap = ({ path }) => ({
      ...{ kind: "answer", status: 307, headers: { location: `http://${elsewhere.host}${path}` } },
    })
    const realm = `Bearer realm="http://${elsewhere.host}/token",service="registry"`
    elsewhere.mishap = ({ path }) => {
      if (path.startsWith("/token")) return { kind: "answer", status: 200, body: '{"token": "theirs"}' }
      return { kind: "answer", status: 401, headers: { "www-authenticate": realm } }
    }
    const pinned = `${proxy.host}/base@sha256:${"0".repeat(64)}`
    await expect(lab.pull(pinned, { credential })).rejects.toMatchObject({ code: "registry/denied" })
    expect(elsewhere.passed.map(({ method, path }) => `${method} ${path}`)).toEqual([
      `GET /v2/base/manifests/sha256:${"0".repeat(64)}`,
    ])
    expect([...proxy.passed, ...elsewhere.passed].some(({ headers }) => headers.authorization)).toBe(false)
  })

  it("does not go round in circles", async () => {
    await using registry = await openDockerRegistry()
    await using proxy = await openFaultyProxy(registry.host)
    proxy.mishap = ({ path }) => ({ kind: "answer", status: 302, headers: { location: path } })
    await expect(lab.pull(`${proxy.host}/base@sha256:${"0".repeat(64)}`)).rejects.toThrow(
      "more than 5 redirects",
    )
  })
})
