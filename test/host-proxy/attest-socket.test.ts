import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { canonicalRuleset, digestRuleset } from "../../contract/canonical-ruleset.ts"
import { homeLayout, type MachineHome, machineLayout } from "../../contract/home.ts"
import { digestUnitSet, renderUnitSet } from "../../contract/unit-set.ts"
import { attestSocket } from "../../host-proxy/attest-socket.ts"
import { openGuestControl } from "../fakes/guest.ts"
import { FAKE_MEASURED } from "../fakes/measured.ts"

const ruleset = canonicalRuleset(FAKE_MEASURED.ruleset)
const units = renderUnitSet(FAKE_MEASURED.units)
const expected = {
  image: "base",
  digests: {
    rootHash: FAKE_MEASURED.root.hash,
    rulesetSha256: digestRuleset(ruleset),
    unitsSha256: digestUnitSet(units),
  },
  ...{ ruleset, units, disks: /^vda\d?$/ },
}

let root: string
let layout: MachineHome
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "stereo-attest-"))
  layout = machineLayout(homeLayout(root), "one")
  mkdirSync(layout.vm, { recursive: true })
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const ask = (rest: { timeoutMs?: number; shutdown?: boolean } = {}) =>
  attestSocket({
    ...{ socketPath: layout.controlSocket, expected, timeoutMs: 20_000, shutdown: false, ...rest },
    ...{ note: () => undefined, signal: new AbortController().signal },
  })

describe("a machine that something else started", () => {
  it("is attested by what it measures, also when it comes up only later", async () => {
    const asked = ask()
    await new Promise((settle) => setTimeout(settle, 400))
    await using _guest = await openGuestControl(layout)
    expect(await asked).toEqual({ found: expected.digests, mismatch: null })
  })

  it("may have its root on a partition, and on no other kind of device", async () => {
    const on = (device: string) => ({ ...FAKE_MEASURED, root: { ...FAKE_MEASURED.root, device } })
    await using guest = await openGuestControl(layout, on("dm root ro on vda2"))
    expect(await ask()).toMatchObject({ mismatch: null })
    for (const device of ["dm root rw on vda2", "dm root ro on loop0", "dm root ro on vda2,vdb", ""]) {
      guest.become(on(device))
      expect(await ask()).toMatchObject({ mismatch: { rule: "attestation/root" } })
    }
  })

  it("is refused when packet filter, units or root are another's", async () => {
    await using guest = await openGuestControl(layout)
    guest.become({ ...FAKE_MEASURED, ruleset: { nftables: [] } })
    expect(await ask()).toMatchObject({ mismatch: { rule: "attestation/ruleset" } })
    guest.become({ ...FAKE_MEASURED, units: [] })
    expect(await ask()).toMatchObject({ mismatch: { rule: "attestation/units" } })
    guest.become({ ...FAKE_MEASURED, root: { ...FAKE_MEASURED.root, hash: "1".repeat(64) } })
    expect(await ask()).toMatchObject({ mismatch: { rule: "attestation/root" } })
    guest.become({ ...FAKE_MEASURED, changed: true })
    expect(await ask()).toMatchObject({ mismatch: { rule: "attestation/ruleset" } })
  })

  it("that never answers is an error with the time in it", async () => {
    await expect(ask({ timeoutMs: 600 })).rejects.toMatchObject({
      code: "attest/no-answer",
      message: expect.stringContaining("within 1 s"),
    })
  })

  it("that ends is not waited for any longer", async () => {
    const guest = await openGuestControl(layout, { ...FAKE_MEASURED, bootId: "x".repeat(100) })
    const asked = ask()
    setTimeout(() => void guest[Symbol.asyncDispose](), 600)
    await expect(asked).rejects.toMatchObject({ code: "attest/ended" })
  })

  it("is not waited for after an interruption", async () => {
    const signal = AbortSignal.abort(new Error("stopped"))
    const request = {
      socketPath: layout.controlSocket,
      expected,
      timeoutMs: 60_000,
      shutdown: false,
      note: () => undefined,
      signal,
    }
    await expect(attestSocket(request)).rejects.toThrow("stopped")
  })
})
