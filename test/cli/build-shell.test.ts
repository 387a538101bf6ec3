import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { makeAuthority } from "../fakes/tls-gateway.ts"
import { openCliHome } from "./run-stereo.ts"

describe("stereo build --shell", () => {
  it("reads the site: a file that is not there is said", async () => {
    using home = openCliHome()
    const file = join(home.root, "none.toml")
    const ran = await home.stereo("build", "base", "--profile", "ec2", "--site", file, "--shell")
    expect(ran).toMatchObject({ code: 1, stdout: "" })
    expect(ran.stderr).toContain(
      `stereo: site/unreadable: ${file} cannot be read: ENOENT: no such file or directory\n`,
    )
  })

  it("plans with the site: an image that takes none is refused, as it is without --shell", async () => {
    using home = openCliHome()
    const file = join(home.root, "site.toml")
    writeFileSync(join(home.root, "ca.pem"), makeAuthority(Date.now()).cert)
    writeFileSync(
      file,
      [
        ...["[gateway]", 'address = "10.20.0.5"', 'ca = "ca.pem"', "[ssh]", 'keys = ["ssh-ed25519 AAAA"]'],
        'allow = [{ net = "203.0.113.0/24", why = "the office" }]',
      ].join("\n"),
    )
    const ran = await home.stereo("build", "base", "--site", file, "--shell")
    expect(ran).toMatchObject({ code: 1, stdout: "" })
    expect(ran.stderr).toContain("image/unused-site")
  })

  it("alone takes --at", async () => {
    using home = openCliHome()
    const ran = await home.stereo("build", "base", "--at", "seal")
    expect(ran.code).toBe(64)
    expect(ran.stderr).toContain("--at is for --shell")
  })
})
