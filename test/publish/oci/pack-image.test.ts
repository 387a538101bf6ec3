import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it } from "vitest"
import { packImage } from "../../../publish/oci/pack-image.ts"
import { openTestStore } from "../../trust/image-folder.ts"

it("what a link in place of provenance leads to is not pushed", async () => {
  using store = openTestStore()
  const image = await store.store("base")
  const work = mkdtempSync(join(tmpdir(), "stereo-pack-"))
  try {
    writeFileSync(join(work, "host.toml"), "a credential")
    symlinkSync(join(work, "host.toml"), join(image.dir, "provenance.sigstore.json"))
    await expect(packImage(image, work, new AbortController().signal)).rejects.toMatchObject({
      code: "artifact/changed-file",
      message: expect.stringMatching(/provenance\.sigstore\.json: it is a symbolic link$/),
    })
  } finally {
    rmSync(work, { recursive: true })
  }
})
