import { describe, expect, it } from "vitest"
import type { BillOfMaterial } from "../../builder/describe/component.ts"
import { openTestStore } from "./image-folder.ts"
import { renderImageTexts } from "./image-texts.ts"
import { verifyFolder } from "./verify-folder.ts"

/** What `images verify` finds of an image whose bills were changed before a trusted key signed it. */
async function findings(change: (bill: BillOfMaterial) => BillOfMaterial): Promise<string[]> {
  using store = openTestStore({ texts: renderImageTexts("base", change) })
  const { dir } = await store.store("base")
  const verification = await verifyFolder(store, dir)
  return verification.kind === "verified"
    ? []
    : verification.findings.map(({ file, reason }) => `${file}: ${reason}`)
}

const both = (reason: string) => [`sbom.spdx.json: ${reason}`, `sbom.cdx.json: ${reason}`]

describe("bills of material", () => {
  it("that agree with the inventory are verified", async () => {
    expect(await findings((same) => same)).toEqual([])
  })

  it("that leave a file out are not", async () => {
    const found = await findings((bill) => ({ ...bill, defined: [] }))
    expect(found).toEqual(both("/etc/hostname is in the image, and not in it"))
  })

  it("that leave a package out are not, although its files are there", async () => {
    const found = await findings(({ components, defined, ...bill }) => {
      const [coreutils, ...rest] = components
      return {
        ...bill,
        components: rest,
        defined: [...defined, ...(coreutils?.files ?? []).map((file) => ({ ...file, from: "elsewhere" }))],
      }
    })
    expect(found).toEqual(both("files of deb:coreutils are in the image, and the package is not in it"))
  })

  it("that say another digest of a file are not", async () => {
    const found = await findings((bill) => {
      return { ...bill, defined: bill.defined.map((file) => ({ ...file, sha256: "0".repeat(64) })) }
    })
    expect(found).toEqual(both("it names another /etc/hostname than the image has"))
  })

  it("that name what is not there are not", async () => {
    const found = await findings((bill) => {
      const more = { path: "/usr/bin/extra", sha256: "0".repeat(64), sha1: "0".repeat(40), from: "nowhere" }
      return { ...bill, defined: [...bill.defined, more] }
    })
    expect(found).toEqual(both("it names /usr/bin/extra, which the image does not have"))
  })

  it.each(["no JSON", "{}", '{"components":[{}]}', '{"packages":7}'])("that are %s are not", async (text) => {
    using store = openTestStore({ texts: { ...renderImageTexts("base"), spdx: text, cyclonedx: text } })
    const { dir } = await store.store("base")
    expect(await verifyFolder(store, dir)).toMatchObject({
      kind: "refused",
      findings: [{ kind: "incomplete-sbom" }, { kind: "incomplete-sbom" }],
    })
  })
})
