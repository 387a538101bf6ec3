import { readdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { type ExportRequest, exportImage } from "../../builder/export-image.ts"
import { silentProgress } from "../../contract/progress.ts"
import { openTestStore } from "../trust/image-folder.ts"
import { openFolder } from "./project-folder.ts"

describe("an export", () => {
  it.each<[string, Partial<ExportRequest>, string, string]>([
    [
      "a uki that is not there",
      { signing: { signedUki: "gone.efi" } },
      "export/bad-input",
      "gone.efi cannot",
    ],
    [
      "a key that is not there",
      { signing: { key: "gone.key", certificate: "gone.crt" } },
      "export/bad-input",
      "gone.key cannot be read",
    ],
    [
      "a program that is none",
      { signing: { signedUki: "package.json" } },
      "artifact/not-a-pe",
      "package.json: this is no program",
    ],
    ["variables without a key", { firmwareVariables: "package.json" }, "export/half-a-key", "register 7"],
  ])("names %s before anything is made, and leaves nothing", async (_what, given, code, message) => {
    using folder = openFolder()
    using store = openTestStore()
    const { dir, manifest } = await store.store("base")
    const request: ExportRequest = {
      ...{ dir, manifest, format: "uki", output: join(folder.dir, "base.efi"), signing: null },
      ...{ firmwareVariables: null, toolsDir: "/nowhere", logFile: join(store.home.root, "log") },
      ...{ progress: silentProgress, signal: new AbortController().signal },
    }
    await expect(exportImage({ ...request, ...given })).rejects.toMatchObject({
      ...{ code, message: expect.stringContaining(message), hint: expect.any(String) },
    })
    expect(readdirSync(folder.dir)).toEqual([])
  })
})
