import { describe, expect, it } from "vitest"
import { shellCommand } from "../../builder/build-target.ts"
import type { Site } from "../../contract/site.ts"

const site: Site = {
  gateway: { address: "10.20.0.5", port: 3128, ca: "a certificate" },
  ssh: { keys: ["ssh-ed25519 AAAA"], allow: [{ net: "203.0.113.0/24", why: "the office" }] },
}

describe("the way into the tree of a build that failed", () => {
  it.each([
    ["of strict", { name: "base", profile: "strict", site: null }, "stereo build base --shell"],
    [
      "of another profile",
      { name: "base", profile: "debug", site: null },
      "stereo build base --profile debug --shell",
    ],
    [
      "for a site, by the file that it was built with",
      { name: "base", profile: "ec2", site, siteFile: "our sites/eu.toml" },
      "stereo build base --profile ec2 --site 'our sites/eu.toml' --shell",
    ],
    [
      "for a site that was read out of an image",
      { name: "base", profile: "ec2", site },
      "stereo build base --profile ec2 --site site.toml --shell",
    ],
  ])("%s is a command that can be pasted", (_what, target, command) => {
    expect(shellCommand(target)).toBe(command)
  })
})
