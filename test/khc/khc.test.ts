import { describe, expect, it } from "vitest"
import { openFolder } from "../builder/project-folder.ts"
import { findChecker } from "./find-checker.ts"
import { readResults } from "./read-results.ts"

describe("the folder of kernel-hardening-checker", () => {
  it("is one that has its program beside its package", () => {
    using folder = openFolder({
      "bin/kernel-hardening-checker": "",
      "kernel_hardening_checker/__init__.py": "",
    })
    expect(findChecker(folder.dir)).toBe(`${folder.dir}/bin/kernel-hardening-checker`)
  })

  it.each([
    ["none", undefined, "khc/no-folder"],
    ["an empty name", "", "khc/no-folder"],
    ["one that is not there", "/nowhere/at/all", "khc/no-folder"],
    ["another one", import.meta.dirname, "khc/not-the-checker"],
  ])("is asked for, with what to type, where the caller names %s", (_what, folder, code) => {
    expect(() => findChecker(folder)).toThrow(
      expect.objectContaining({ code, hint: expect.stringContaining("make khc KHC=") }),
    )
  })
})

describe("its results", () => {
  const check = (option_name: string, type: string, isOk: boolean) => ({
    ...{ option_name, type, reason: "self_protection", decision: "kspp", desired_val: "1" },
    ...{ check_result: isOk ? "OK" : 'FAIL: "0"', check_result_bool: isOk },
  })
  const words = [check("pti", "cmdline", true), check("tsx", "cmdline", false)]

  it("are counted by kind, what failed with its name", () => {
    const all = [...words, check("kernel.sysrq", "sysctl", true), check("CONFIG_BUG", "kconfig", false)]
    expect(readResults(JSON.stringify(all))).toMatchObject({
      cmdline: { ok: 1, failed: 1, failures: ['tsx: 1: FAIL: "0"'] },
      sysctl: { ok: 1, failed: 0, failures: [] },
      kconfig: { ok: 0, failed: 1 },
    })
  })

  it.each([
    ["no JSON", "[+] Detected architecture"],
    ["another shape", '{"a":1}'],
    ["nothing of the settings", JSON.stringify(words)],
    ["nothing at all", "[]"],
  ])("are refused where it says %s: nothing passes unlooked at", (_what, printed) => {
    expect(() => readResults(printed)).toThrow(expect.objectContaining({ code: "khc/no-results" }))
  })
})
