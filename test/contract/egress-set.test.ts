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
    ["*.s3.amazonaws.com", "every name under s3.amazonaws.com"],
    ["*.s3.eu-west-1.amazonaws.com", "every name under s3.eu-west-1.amazonaws.com"],
    ["*.blob.core.windows.net", "every name under blob.core.windows.net"],
    ["*.workers.dev", "every name under workers.dev"],
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

it("an egress rule without a reason is refused", () => {
  expect(complaint({ why: null })).toMatch(/a\.toml:4: allow\.0\.why: is missing/)
})
