import { describe, expect, it } from "vitest"
import type { EgressPolicy } from "../../../contract/egress-grant.ts"
import { readEgressPolicy } from "../../../contract/read-egress-policy.ts"
import { refuseByBody } from "../../../host-proxy/policy/check-body.ts"
import { decideEgress } from "../../../host-proxy/policy/decide-egress.ts"
import { openFakeProvider } from "../../fakes/provider.ts"
import { openLab } from "../lab.ts"

const HEAD = 'why = "for this test"\nowner = "testers"\n'
const CODE = `name = "code"\n${HEAD}
[[allow]]
host = "github.com"
git = "read"
repositories = ["acme/payments"]
api = "api.github.com"
why = "for this test"
`
/** Somebody else's set, which opens all that it can. */
const BROAD = `name = "broad"\n${HEAD}
[[allow]]
host = "github.com"
methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
paths = ["/**", "/*%2f*%2f*"]
websocket = true
why = "for this test"

[[allow]]
host = "api.github.com"
methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
paths = ["/**"]
why = "for this test"
`

function policy(...texts: string[]): EgressPolicy {
  return readEgressPolicy(texts.map((text) => ({ name: /"(.*)"/.exec(text)?.[1] ?? "", text })))
}

/** The rule of the verdict on a request such as `POST https://github.com/acme/payments/git-upload-pack`. */
function ruleOf(asked: string, by: EgressPolicy, today = "2026-11-25"): string {
  const [method = "", url = ""] = asked.split(" ")
  const [, host = "", target = ""] = /^https:\/\/([^/]+)(.*)$/.exec(url) ?? []
  const [path = "", query = null] = target.split("?")
  const place = { scheme: "https" as const, host, port: 443, method, path, query, websocket: false }
  return decideEgress(place, by, today).rule
}

const READS = [
  "GET https://github.com/acme/payments/info/refs?service=git-upload-pack",
  "GET https://github.com/acme/payments.git/info/refs?service=git-upload-pack",
  "POST https://github.com/acme/payments.git/git-upload-pack",
  "GET https://api.github.com/repos/acme/payments",
  "GET https://api.github.com/repos/acme/payments/issues/7/comments",
  "HEAD https://api.github.com/repos/acme/payments/contents/README.md",
]

const WRITES: readonly (readonly [string, string])[] = [
  ["GET https://github.com/acme/payments/info/refs?service=git-receive-pack", "egress/git-push"],
  ["GET https://github.com/acme/payments/info/refs?a=b&service=git%2Dreceive-pack", "egress/git-push"],
  ["POST https://github.com/acme/payments.git/git-receive-pack", "egress/git-push"],
  ["POST https://github.com/mallory/loot.git/git-receive-pack", "egress/git-push"],
  ["POST https://github.com/acme/payments/git%2Dreceive-pack", "egress/git-push"],
  ["POST https://github.com/acme/payments/GIT-Receive-Pack", "egress/git-push"],
  ["POST https://github.com/acme%2fpayments%2fgit-receive-pack", "egress/git-push"],
  ["POST https://github.com/acme/payments.git/info/lfs/objects/batch", "egress/git-lfs-write"],
  ["POST https://github.com/mallory/loot.git/info/lfs/objects/batch", "egress/git-lfs-write"],
  ["POST https://github.com/acme/payments.git/info/lfs/locks", "egress/git-lfs-write"],
  ["POST https://github.com/acme/payments.git/info/lfs/locks/verify", "egress/git-lfs-write"],
  ["POST https://github.com/acme/payments.git/info/lfs/locks/1/unlock", "egress/git-lfs-write"],
  ["POST https://github.com/acme/payments.git/info/lfs/objects/verify", "egress/git-lfs-write"],
  ["PUT https://github.com/acme/payments.git/info/lfs/objects/ab", "egress/git-lfs-write"],
  ["PUT https://github.com/acme/payments/objects/ab", "egress/git-write"],
  ["POST https://github.com/login/oauth/access_token", "egress/git-write"],
  ["PUT https://api.github.com/repos/acme/payments/contents/a.txt", "egress/git-api-write"],
  ["POST https://api.github.com/repos/acme/payments/git/refs", "egress/git-api-write"],
  ["PATCH https://api.github.com/repos/acme/payments/git/refs/heads/main", "egress/git-api-write"],
  ["POST https://api.github.com/repos/acme/payments/merges", "egress/git-api-write"],
  ["PUT https://api.github.com/repos/acme/payments/pulls/1/merge", "egress/git-api-write"],
  ["POST https://api.github.com/graphql", "egress/git-api-write"],
  ["POST https://api.github.com/gists", "egress/git-api-write"],
  ["POST https://api.github.com/repos/acme/payments/forks", "egress/git-api-write"],
  ["POST https://api.github.com/repos/acme/payments/releases", "egress/git-api-write"],
  ["POST https://api.github.com/repos/acme/payments/issues/1/comments", "egress/git-api-write"],
  ["POST https://api.github.com/repos/acme/payments/actions/workflows/1/dispatches", "egress/git-api-write"],
  ["POST https://api.github.com/user/repos", "egress/git-api-write"],
  ["DELETE https://api.github.com/repos/acme/payments", "egress/git-api-write"],
]

describe('git = "read"', () => {
  it.each(READS)("allows %s", (asked) => {
    expect(ruleOf(asked, policy(CODE))).toBe("egress/code#1")
    expect(ruleOf(asked, policy(BROAD, CODE))).toMatch(/^egress\/(?:code|broad)#\d$/)
  })

  it.each(WRITES)("refuses %s as %s, also where another set opens everything", (asked, rule) => {
    expect(ruleOf(asked, policy(CODE))).toBe(rule)
    expect(ruleOf(asked, policy(BROAD, CODE))).toBe(rule)
    expect(ruleOf(asked, policy(CODE, BROAD))).toBe(rule)
  })

  it("is what refuses: without it the broad set opens each of them", () => {
    expect(WRITES.map(([asked]) => ruleOf(asked, policy(BROAD)))).toEqual(
      WRITES.map(([asked]) => (asked.includes("api.github.com") ? "egress/broad#2" : "egress/broad#1")),
    )
  })

  it.each([
    "GET https://github.com/acme/other/info/refs?service=git-upload-pack",
    "POST https://github.com/acme/other.git/git-upload-pack",
    "GET https://github.com/acme/payments/info/refs",
    "GET https://github.com/acme/payments/info/refs?service=git-upload-pack&x=1",
    "GET https://github.com/acme/payments.git/HEAD",
    "GET https://api.github.com/repos/acme/payments2",
    "GET https://api.github.com/user",
    "GET https://gist.github.com/acme/1",
    "POST https://uploads.github.com/repos/acme/payments/releases/1/assets",
  ])("allows nothing else: %s", (asked) => {
    expect(ruleOf(asked, policy(CODE))).toBe("egress/no-rule")
  })

  it("keeps its host read only when it has expired: time opens nothing", () => {
    const expired = policy(CODE.replace("git =", 'expires = "2026-11-24"\ngit ='), BROAD)
    expect(ruleOf(READS[2] ?? "", expired)).toBe("egress/expired")
    for (const [asked, rule] of WRITES) expect(ruleOf(asked, expired)).toBe(rule)
  })

  it("leaves the reading of whatever else another rule opens, also of what is named like a push", () => {
    const asked = "GET https://github.com/acme/payments/blob/main/docs/git-receive-pack.md"
    expect(ruleOf(asked, policy(CODE, BROAD))).toBe("egress/broad#1")
  })

  it("says which rule allows only reading, and whom to ask", () => {
    const place = { scheme: "https" as const, host: "github.com", port: 443, method: "POST", query: null }
    const push = { ...place, path: "/acme/payments.git/git-receive-pack", websocket: false }
    expect(decideEgress(push, policy(CODE), "2026-11-25")).toMatchObject({
      reason: expect.stringContaining("pushes to a repository and egress/code#1 allows only reading"),
      hint: expect.stringContaining("testers (policies/egress/code.toml:5)"),
    })
  })

  it("lets no WebSocket through", () => {
    const place = { scheme: "https" as const, host: "github.com", port: 443, method: "GET", query: null }
    const asked = { ...place, path: "/acme/payments", websocket: true }
    expect(decideEgress(asked, policy(BROAD), "2026-11-25").kind).toBe("allow")
    expect(decideEgress(asked, policy(BROAD, CODE), "2026-11-25").rule).toBe("egress/git-write")
  })
})

const OID = "a".repeat(64)
const BATCH = {
  operation: "download",
  transfers: ["lfs-standalone-file", "basic", "ssh"],
  ref: { name: "refs/heads/main" },
  objects: [{ oid: OID, size: 12 }],
  hash_algo: "sha256",
}

describe("an LFS batch", () => {
  const check = (body: string | Buffer | null, headers: [string, string][] = []) =>
    refuseByBody("git-lfs-download", headers, body === null ? null : Buffer.from(body))

  it("that asks for downloads passes", () => {
    expect(check(JSON.stringify(BATCH))).toBeNull()
    expect(check(JSON.stringify(BATCH, null, 2), [["content-encoding", "identity"]])).toBeNull()
  })

  const text = JSON.stringify(BATCH)
  it.each([
    ["an upload", text.replace("download", "upload")],
    ["an operation in other letters", text.replace('"download"', '"Download"')],
    ["no operation", text.replace('"operation":"download",', "")],
    ["an operation twice, the last a download", `{"operation":"upload",${text.slice(1)}`],
    ["an operation twice, one of them escaped", `{"\\u006fperation":"upload",${text.slice(1)}`],
    ["an operation twice, one of them in capitals", `{"Operation":"upload",${text.slice(1)}`],
    ["a key twice further in", text.replace('"size":12', '"size":12,"size":13')],
    ["an unknown key", `{"note":"data",${text.slice(1)}`],
    ["an oid that is no hash", text.replace(OID, "a secret")],
    ["a list", `[${text}]`],
    ["two documents", `${text}\n${text}`],
    ["a byte order mark", `\ufeff${text}`],
    ["bytes that are no UTF-8", Buffer.concat([Buffer.from('{"operation":"down'), Buffer.from([0xff])])],
    ["nothing", ""],
    ["no JSON", "operation=download"],
  ])("with %s is refused", (_what, body) => {
    expect(check(body)).toMatchObject({ status: 403, rule: "egress/git-lfs-write" })
  })

  it("that is compressed or could not be read is refused", () => {
    expect(check(text, [["content-encoding", "gzip"]])?.reason).toContain("encoded")
    expect(check(null)?.reason).toContain("larger than 128 KiB")
  })

  it("is read by the host before it leaves, then leaves byte for byte and is archived so", async () => {
    const code = CODE.replace('api = "api', 'lfs = true\napi = "api')
    const hostConfig = (url: string) =>
      `[[upstream]]\nhost = "github.com"\nurl = "${url}"\nwhy = "a fake for this test"`
    await using elsewhere = await openFakeProvider()
    const files = { egressSets: ["code"], moreSets: { code }, hostConfig: hostConfig(elsewhere.url) }
    await using lab = await openLab({ files })
    const path = "/acme/payments.git/info/lfs/objects/batch"
    const send = (body: string) => lab.guest.send({ authority: "github.com", path, body })
    const body = JSON.stringify(BATCH, null, 3)
    await send(body)
    expect(elsewhere.requests.map((one) => one.body.toString())).toEqual([body])
    expect((await lab.rows())[0]).toMatchObject({ rule: "egress/code#1", outcome: "complete" })
    expect((await lab.rows())[0]?.request_sha256).toBe(elsewhere.requests[0]?.sha256)
    expect((await send(body.replace("download", "upload"))).headers["stereo-verdict"]).toBe(
      "egress/git-lfs-write",
    )
    expect((await send(" ".repeat(2 ** 20) + body)).headers["stereo-verdict"]).toBe("egress/git-lfs-write")
    expect(elsewhere.requests).toHaveLength(1)
  })
})
