import { describe, expect, it } from "vitest"
import { licenseExpression } from "../../../builder/describe/license-expression.ts"

describe("a licence", () => {
  it.each([
    [["Expat"], "MIT"],
    [["GPL-2+"], "GPL-2.0-or-later"],
    [["GPL-2"], "GPL-2.0-only"],
    [["GPL-3.0+"], "GPL-3.0-or-later"],
    [["GPL-2.0"], "GPL-2.0-only"],
    [["LGPL-2.1+"], "LGPL-2.1-or-later"],
    [["BSD-3-clause"], "BSD-3-Clause"],
    [["zlib"], "Zlib"],
    [["Apache-2.0"], "Apache-2.0"],
    [["Apache-2"], "Apache-2.0"],
    [["GFDL-1.3+"], "GFDL-1.3-or-later"],
    [["GPL-1+ or Artistic"], "GPL-1.0-or-later OR Artistic-1.0"],
    [["GPL-2+ and Expat or ISC"], "GPL-2.0-or-later AND MIT OR ISC"],
    [["GPL-1+ or Artistic, and Expat"], "(GPL-1.0-or-later OR Artistic-1.0) AND MIT"],
    [["ISC", "Expat", "ISC"], "ISC AND MIT"],
    [["GPL-2+ and Expat", "Expat and ISC"], "GPL-2.0-or-later AND ISC AND MIT"],
    [["GPL-1+ or Artistic, and Expat", "Expat"], "(GPL-1.0-or-later OR Artistic-1.0) AND MIT"],
    [["GPL-2+, Expat"], "GPL-2.0-or-later AND MIT"],
    [["GPL-2+, or Expat"], "GPL-2.0-or-later OR MIT"],
    [["ISC", "GPL-1+ or Artistic"], "(GPL-1.0-or-later OR Artistic-1.0) AND ISC"],
    [["(MIT OR Apache-2.0)"], "MIT OR Apache-2.0"],
    [["Perl", "MIT"], "(GPL-1.0-or-later OR Artistic-1.0-Perl) AND MIT"],
    [["public-domain"], "LicenseRef-public-domain"],
    [["GPL-2+ with OpenSSL exception"], "LicenseRef-gpl-2-with-openssl-exception"],
  ])("%j is %s", (words, expression) => {
    expect(licenseExpression(words)?.expression).toBe(expression)
  })

  it("that SPDX does not know keeps its name", () => {
    expect(licenseExpression(["SEE LICENSE IN README.md"])?.references).toEqual(
      new Map([["LicenseRef-see-license-in-readme.md", "SEE LICENSE IN README.md"]]),
    )
  })

  it("that nobody names is none", () => {
    expect(licenseExpression(["", " "])).toBeNull()
  })
})
