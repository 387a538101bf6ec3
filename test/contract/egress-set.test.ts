import { describe, expect, it } from "vitest"
import { egressSet } from "../../contract/egress-set.ts"
import { parseToml } from "../../contract/toml.ts"

const HEAD = ['name = "a"', 'why = "tests need it"', 'owner = "testers"']
const RULE = {
  host: '"api.example.com"',
  methods: '["GET"]',
  paths: '["/v1/items"]',
  why: '"tests need it"',
}

/** The complaint about a set with one rule, whose key `host` stands on line 5; null for none. */
function complaint(change: Readonly<Record<string, string | null>>): string | null {
  const keys = Object.entries({ ...RULE, ...change }).filter(([, value]) => value !== null)
  const text = [...HEAD, "[[allow]]", ...keys.map(([key, value]) => `${key} = ${value}`)].join("\n")
  try {
    parseToml({ text, file: "policies/egress/a.toml", stage: "egress" }, egressSet)
    return null
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown)
  }
}

describe("the host of an egress rule", () => {
  it.each([
    ["api.example.com", "an exact name"],
    ["*.example.com", "one label before a registered name"],
    ["deep.api.example.co.uk", "a name under a suffix of two labels"],
    ["api.fake.test", "a name that only tests use"],
    ["storage.googleapis.com", "one exact host, whose paths say which bucket"],
    ["bucket.s3.amazonaws.com", "one name under a cloud's suffix"],
    ["acme.github.io", "one site under a shared suffix"],
    ["git.acme.corp", "a name of a network of one's own; where it is, the operator says in host.toml"],
  ])("%s is fine: %s", (host) => {
    expect(complaint({ host: `"${host}"` })).toBeNull()
  })

  it.each([
    ["*", "every host"],
    ["*.*", "every host"],
    ["*.com", "every name under com"],
    ["*.co.uk", "every name under co.uk"],
    ["*.test", "every name under test"],
    ["*.github.io", "every name under github.io"],
    ["*.s3.amazonaws.com", "names under amazonaws.com"],
    ["*.s3.eu-west-1.amazonaws.com", "names under amazonaws.com"],
    ["*.blob.core.windows.net", "names under core.windows.net"],
    ["*.vercel.app", "every name under vercel.app"],
    ["*.workers.dev", "every name under workers.dev"],
    ["*.amazonaws.com", "names under amazonaws.com, which anybody may rent"],
    ["*.s3-accelerate.amazonaws.com", "names under amazonaws.com, which anybody may rent"],
    ["*.storage.googleapis.com", "names under storage.googleapis.com, which anybody may rent"],
    ["*.acct.r2.cloudflarestorage.com", "which anybody may rent"],
    ["*.dfs.core.windows.net", "which anybody may rent"],
    ["*.x.workers.dev.", "expected a lower-case host name"],
    ["github.io", "github.io is a public suffix"],
    ["co.uk", "co.uk is a public suffix"],
    ["s3.amazonaws.com", "s3.amazonaws.com is a public suffix"],
    ["*x.example.com", "a star stands for one whole label"],
    ["x*.example.com", "a star stands for one whole label"],
    ["a.*.example.com", "a star stands for one whole label"],
    ["api.example.*", "a star stands for one whole label"],
    ["**.example.com", "a star stands for one whole label"],
    ["API.example.com", "expected a lower-case host name"],
    ["api.example.com.", "expected a lower-case host name"],
    ["api.example.com:443", "is an address in some spelling"],
    ["https://api.example.com", "is an address in some spelling"],
    ["api_x.example.com", "expected a lower-case host name"],
    ["bücher.example", "expected a lower-case host name"],
    ["com", "com is a public suffix"],
    ["", "expected a lower-case host name"],
  ])("%s is refused with file, line and key: %s", (host, reason) => {
    expect(complaint({ host: `"${host}"` })).toMatch(/^policies\/egress\/a\.toml:5: allow\.0\.host: /)
    expect(complaint({ host: `"${host}"` })).toContain(reason)
  })

  it.each([
    ...["127.0.0.1", "8.8.8.8", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "10.0.0.1."],
    ...["[::1]", "::1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "[2002:7f00:1::]", "*.0.0.1", "a.0x"],
  ])("the address %s is refused in whatever spelling", (host) => {
    expect(complaint({ host: `"${host}"` })).toMatch(/address in some spelling/)
  })

  it.each([
    ...["a.localhost", "printer.local", "metadata.google.internal", "router.home.arpa", "1.in-addr.arpa"],
    ...["abc.onion", "*.internal", "*.svc.local", "x.localdomain", "nas.lan"],
  ])("%s lies under the floor, which no set opens", (host) => {
    expect(complaint({ host: `"${host}"` })).toMatch(/never the public Internet/)
  })
})

describe("the paths of an egress rule", () => {
  it.each([
    ...["/", "/**", "/v1/items", "/v1/files/*", "/pkg/**", "/@*%2f*", "/@*/-/*.tgz", "/a~b;c=d/e", "/a%20b"],
    ...["/.well-known/x", "/a..b", "/...", "/*.*"],
  ])("%s is fine", (path) => {
    expect(complaint({ paths: `["${path}"]` })).toBeNull()
  })

  it.each([
    ["v1/items", "does not begin with a slash"],
    ["*", "does not begin with a slash"],
    ["https://api.example.com/v1", "does not begin with a slash"],
    ["/pkg/**/x", "two stars stand only at the end"],
    ["/pkg/**%2fx", "two stars stand only at the end"],
    ["/pkg%2f**", "two stars stand only at the end"],
    ["/pkg/a**", "two stars stand alone in a segment"],
    ["/pkg/***", "two stars stand alone in a segment"],
    ["/a/../b", "a dot or empty segment"],
    ["/a/./b", "a dot or empty segment"],
    ["/a/..", "a dot or empty segment"],
    ["/a%2f..%2fb", "a dot or empty segment"],
    ["//a", "a dot or empty segment"],
    ["/a%2f/b", "a dot or empty segment"],
    ["/a%2e%2e", "an encoded dot"],
    ["/a%5Cb", "an encoded dot, backslash"],
    ["/a%00", "an encoded dot, backslash or NUL"],
    ["/a%252fb", "a slash encoded twice"],
    ["/a%2", "a broken percent escape"],
    ["/%61dmin", "a plain character in percent"],
    ["/a?b=c", "a matter of the key query"],
    ["/a#b", "a matter of the key query"],
    ["/a b", "characters that a URL may not"],
    ["/ä", "characters that a URL may not"],
    ["/a\\\\b", "characters that a URL may not"],
  ])("%s is refused with file, line and key: %s", (path, reason) => {
    expect(complaint({ paths: `["/fine", "${path}"]` })).toMatch(
      /^policies\/egress\/a\.toml:7: allow\.0\.paths\.1: /,
    )
    expect(complaint({ paths: `["/fine", "${path}"]` })).toContain(reason)
  })
})

describe("keys of an egress rule that do not fit together", () => {
  const GIT = { methods: null, paths: null, git: '"read"', repositories: '["acme/payments"]' }

  it("a rule for git needs no methods and paths", () => {
    expect(complaint(GIT)).toBeNull()
    expect(complaint({ ...GIT, repositories: '["acme/.github", "group/sub/name"]', lfs: "true" })).toBeNull()
  })

  it.each([
    ["methods", "is missing", { methods: null }],
    ["paths", "is missing", { paths: null }],
    ["methods", "at least one", { methods: "[]" }],
    ["methods.1", "GET stands here twice", { methods: '["GET", "GET"]' }],
    ["methods.0", "Invalid option", { methods: '["CONNECT"]' }],
    ["methods.0", "Invalid option", { methods: '["*"]' }],
    ["paths.1", "stands here twice", { paths: '["/a", "/a"]' }],
    ["repositories", "goes only with git", { repositories: '["acme/payments"]' }],
    ["api", "goes only with git", { api: '"api.example.com"' }],
    ["lfs", "goes only with git", { lfs: "true" }],
    ["websocket", "begins with a GET", { websocket: "true", methods: '["POST"]' }],
    ["max_request_kib", "more than budget_mib", { max_request_kib: "2048", budget_mib: "1" }],
    ["repositories", "is missing", { ...GIT, repositories: null }],
    ["methods", "does not go with git", { ...GIT, methods: '["POST"]' }],
    ["paths", "does not go with git", { ...GIT, paths: '["/**"]' }],
    ["query", "does not go with git", { ...GIT, query: '"none"' }],
    ["websocket", "does not go with git", { ...GIT, websocket: "true" }],
    ["host", "one exact name", { ...GIT, host: '"*.example.com"' }],
    ["api", "one exact name", { ...GIT, api: '"*.example.com"' }],
    ["git", "Invalid input", { ...GIT, git: '"write"' }],
    ["repositories.0", "expected a repository", { ...GIT, repositories: '["payments"]' }],
    ["repositories.0", "expected a repository", { ...GIT, repositories: '["acme/*"]' }],
    ["repositories.0", "expected a repository", { ...GIT, repositories: '["acme/.."]' }],
    ["repositories.0", "expected a repository", { ...GIT, repositories: '["../acme/payments"]' }],
    ["repositories.0", "without .git", { ...GIT, repositories: '["acme/payments.git"]' }],
    ["expires", "expected a day", { expires: '"2027-02-30"' }],
    ["expires", "expected text in quotation marks", { expires: "2027-01-31" }],
    ["port", "", { port: "0" }],
    ["host", "expected text", { host: "8" }],
    ["allows", "unknown key", { allows: "true" }],
  ])("%s: %s", (key, reason, change) => {
    expect(complaint(change)).toMatch(/^policies\/egress\/a\.toml:\d+: /)
    expect(complaint(change)).toContain(`allow.0.${key}: `)
    expect(complaint(change)).toContain(reason)
  })

  it("one key twice is no TOML", () => {
    expect(complaint({ "port = 443\nport": "8443" })).toMatch(/^policies\/egress\/a\.toml:10: /)
  })

  it("a rule that would outlive its set is refused", () => {
    const set = { name: "a", why: "tests need it", owner: "testers", expires: "2026-12-31" }
    const rule = { host: "a.example.com", methods: ["GET"], paths: ["/"], why: "tests need it" }
    const read = (expires: string) => egressSet.safeParse({ ...set, allow: [{ ...rule, expires }] }).success
    expect([read("2026-12-30"), read("2026-12-31"), read("2027-01-01")]).toEqual([true, true, false])
  })
})

it("an egress rule without a reason is refused", () => {
  expect(complaint({ why: null })).toMatch(/a\.toml:4: allow\.0\.why: is missing/)
})
