import { describe, expect, it } from "vitest"
import { compilePrune } from "../../builder/seal/prune.ts"

const rule = (items: string[], keep: string[] = []) => ({ items, keep, why: "a test of patterns" })

describe("compilePrune", () => {
  it.each([
    ["/usr/share/doc", "/usr/share/doc", true],
    ["/usr/share/doc", "/usr/share/doc/bash/copyright", true],
    ["/usr/share/doc", "/usr/share/document", false],
    ["/usr/share/{doc,man}", "/usr/share/man/man1", true],
    ["/usr/share/{doc,man}", "/usr/share/mandoc", false],
    ["/usr/bin/perl*", "/usr/bin/perl5.40", true],
    ["/usr/bin/perl*", "/usr/bin/x/perl", false],
    ["/lib*.so", "/libc.so", true],
    ["/lib*.so", "/libcXso", false],
    ["/a/**/z", "/a/b/c/z", true],
    ["/a/?", "/a/b", true],
    ["/a/?", "/a/bc", false],
  ])("%s takes %s: %s", (pattern, path, taken) => {
    expect(compilePrune([rule([pattern])])(path)).toBe(taken ? 0 : null)
  })

  it("keeps what a rule excepts, and names the first rule that takes a path", () => {
    const prune = compilePrune([
      rule(["/etc/*"], ["/etc/ssl/**"]),
      rule(["/usr/lib/perl"]),
      rule(["/etc/cron"]),
    ])
    expect(prune("/etc/ssl/openssl.cnf")).toBeNull()
    expect(prune("/etc/cron")).toBe(0)
    expect(prune("/usr/lib/perl/a.pm")).toBe(1)
  })

  it("removes nothing that is to be kept in any case", () => {
    const prune = compilePrune([rule(["/usr/bin/*"])], ["/usr/bin/{strace,gdb}"])
    expect(prune("/usr/bin/strace")).toBeNull()
    expect(prune("/usr/bin/straceX")).toBe(0)
  })
})
