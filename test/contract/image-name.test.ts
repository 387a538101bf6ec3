import { describe, expect, it } from "vitest"
import { adviseOnMissing, buildCommand } from "../../contract/image-name.ts"

describe("an image's name", () => {
  it("is built by the command that its manifest gives, not by the name that it is kept under", () => {
    expect(buildCommand({ name: "coder", profile: "strict" })).toBe("stereo build coder")
    expect(buildCommand({ name: "coder", profile: "ec2" })).toBe("stereo build coder --profile ec2")
  })

  it.each([
    ["nope", [], /^no image is built yet; .*stereo build NAME.*--profile PROFILE/],
    ["coder-ec2", ["base", "coder"], /^built: base, coder; .*--profile PROFILE/],
    ["registry.example/team/base", ["base"], /^an image of a registry.*stereo pull$/],
  ])("%s that is not here is one to build or to pull", (reference, names, hint) => {
    expect(adviseOnMissing(reference, names)).toMatch(hint)
  })
})
