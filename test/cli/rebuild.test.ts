import { describe, expect, it } from "vitest"
import type { RebuildReport } from "../../builder/rebuild.ts"
import { renderRebuild } from "../../cli/images/rebuild-command.ts"
import { openCliHome } from "./run-stereo.ts"

const SAME: RebuildReport = {
  ...{
    name: "base-ec2",
    digest: "a".repeat(64),
    rebuiltDigest: "a".repeat(64),
    lacking: null,
    keptDir: null,
  },
  files: [{ name: "manifest.toml", same: true, sha256: { before: "1", after: "1" }, differences: [] }],
}
const ESCAPE = String.fromCharCode(27)
const OTHER: RebuildReport = {
  ...{ ...SAME, rebuiltDigest: "b".repeat(64), keptDir: "/home/x/cache/rebuild/home-1" },
  lacking: "diffoscope is not installed",
  files: [
    {
      ...{ name: "firewall.nft", same: false, sha256: { before: "1", after: "2" } },
      differences: [
        "first differing byte: 7",
        `│ +${ESCAPE}]0;owned${String.fromCharCode(7)}${ESCAPE}[2J\twall`,
      ],
    },
  ],
}

describe("stereo images rebuild", () => {
  it("says of two that are the same just that, file by file", () => {
    expect(renderRebuild(SAME)).toBe(
      `  same     manifest.toml           1\nbase-ec2 ${"a".repeat(64)}: rebuilt, every byte the same\n`,
    )
  })

  it("shows both digests, what differs, why no more is shown, and where the second image is", () => {
    const text = renderRebuild(OTHER)
    expect(text).toMatch(/^ {2}DIFFERS {2}firewall\.nft +1\n +2\n +first differing byte: 7\n/)
    expect(text).toMatch(
      /\ndiffoscope is not installed\nbase-ec2: NOT the same: was a{64}, is b{64}\n.*home-1\n$/,
    )
  })

  it("gives contents of the image to the terminal without what steers one", () => {
    const text = renderRebuild(OTHER)
    expect(text).not.toContain(ESCAPE)
    expect(text).not.toContain(String.fromCharCode(7))
    expect(text).toContain("\twall")
  })

  it("says of an unknown image what there is, and no more", async () => {
    using home = openCliHome()
    const { code, stdout, stderr } = await home.stereo("images", "rebuild", "bass")
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).toBe(
      'stereo: image/not-built: there is no built image "bass"\n  hint: no image is built yet; `stereo build NAME` makes one of a folder of images/, with `--profile PROFILE` NAME-PROFILE\n',
    )
  })
})
