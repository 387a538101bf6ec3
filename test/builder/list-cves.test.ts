import { describe, expect, it } from "vitest"
import { listCves } from "../../builder/lock/list-cves.ts"

const CHANGELOG = `openssl (3.5.4-1~deb13u2) trixie-security; urgency=medium

  * CVE-2026-1111 (and CVE-2026-1112, again CVE-2026-1111)

 -- A Person <p@example.org>  Sat, 21 Nov 2026 09:15:44 +0000

openssl (3.5.4-1~deb13u1) trixie-security; urgency=medium

  * Fix CVE-2026-20001.

openssl (3.5.4-1) unstable; urgency=medium

  * CVE-2025-9999
`

describe("listCves", () => {
  it("names each vulnerability of the versions since the earlier one, once, and none before", () => {
    expect(listCves(CHANGELOG, "3.5.4-1~deb13u1")).toEqual(["CVE-2026-1111", "CVE-2026-1112"])
    expect(listCves(CHANGELOG, "3.5.4-1")).toEqual(["CVE-2026-1111", "CVE-2026-1112", "CVE-2026-20001"])
  })

  it("takes a rebuild without a change of source for its source", () => {
    expect(listCves(CHANGELOG, "3.5.4-1+b3")).toEqual(listCves(CHANGELOG, "3.5.4-1"))
  })

  it("says nothing rather than too much where the changelog does not know the earlier version", () => {
    expect(listCves(CHANGELOG, "3.0.0-1")).toBeNull()
  })

  it("gives none for the version that it begins with", () => {
    expect(listCves(CHANGELOG, "3.5.4-1~deb13u2")).toEqual([])
  })
})
