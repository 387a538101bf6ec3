import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { readSite } from "../../builder/definition/read-site.ts"
import { refuseLackOfSite, resolvePlan } from "../../builder/resolve-plan.ts"
import { SITE_FILES, SSH_PORTS } from "../../contract/wire.ts"
import { makeAuthority } from "../fakes/tls-gateway.ts"
import { projectDir } from "../rules/sources.ts"

const dir = mkdtempSync(join(tmpdir(), "stereo-site-"))
const authority = makeAuthority(Date.now())
writeFileSync(join(dir, "ca.pem"), `some words\n${authority.cert}`)
writeFileSync(join(dir, "key.pem"), authority.key)
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG0Z7hVJ3w0Sg0J8o5o3cB6lF9y1bq5mS9r0x6cUe3Qz ops"
const GOOD = {
  address: 'address = "10.20.0.5"',
  ca: 'ca = "ca.pem"',
  keys: `keys = ["${KEY}"]`,
  allow: 'allow = [{ net = "203.0.113.0/24", why = "the office" }]',
}

function write(changes: Partial<typeof GOOD> = {}): string {
  const { address, ca, keys, allow } = { ...GOOD, ...changes }
  const file = join(dir, "site.toml")
  writeFileSync(file, `[gateway]\n${address}\n${ca}\n\n[ssh]\n${keys}\n${allow}\n`)
  return file
}

describe("site.toml", () => {
  it("gives the authority itself, without what stands around it", async () => {
    const site = await readSite(write())
    expect(site.gateway).toEqual({ address: "10.20.0.5", port: 3128, ca: authority.cert })
  })

  it.each([
    [
      "the metadata service as the gateway",
      { address: 'address = "169.254.169.254"' },
      /:2: gateway\.address/,
    ],
    ["a name as the gateway", { address: 'address = "gateway.internal"' }, /:2: gateway\.address/],
    ["a key in the place of the authority", { ca: 'ca = "key.pem"' }, /:3: gateway\.ca: .*certificate/],
    [
      "a file that is not there",
      { ca: 'ca = "none.pem"' },
      /site\.toml:3: gateway\.ca: [^ ]*\/none\.pem cannot be read: ENOENT: no such file or directory$/,
    ],
    ["no key", { keys: "keys = []" }, /ssh\.keys/],
    ["two keys in one", { keys: `keys = ["${KEY}\\n${KEY}"]` }, /ssh\.keys/],
    ["the whole internet", { allow: 'allow = [{ net = "0.0.0.0/0", why = "everybody" }]' }, /ssh\.allow/],
    ["no reason", { allow: 'allow = [{ net = "203.0.113.0/24" }]' }, /ssh\.allow.*why/],
  ])("%s is refused with its place", async (_what, changes, message) => {
    await expect(readSite(write(changes))).rejects.toThrow(message)
  })
})

describe("an image for a site", () => {
  it("has what the site says in files that only the image can change", async () => {
    const site = await readSite(write())
    const { plan, contents } = await resolvePlan(projectDir, "base", "ec2", site)
    const textOf = (path: string) => {
      const entry = plan.entries.find((one) => one.path === path)
      return contents.get(entry?.kind === "file" ? entry.sha256 : "")?.toString()
    }
    expect(plan.site).toEqual({
      gateway: { address: "10.20.0.5", port: 3128 },
      ssh: { allow: ["203.0.113.0/24"] },
    })
    expect(JSON.parse(textOf(SITE_FILES.gateway) ?? "")).toEqual({ address: "10.20.0.5", port: 3128 })
    expect(textOf(SITE_FILES.authority)).toBe(authority.cert)
    expect(textOf(SITE_FILES.authorizedKeys)).toBe(`${KEY}\n`)
    expect(textOf("/usr/lib/stereo/firewall.nft")).toContain("ip daddr 10.20.0.5 tcp dport 3128 goto gateway")
  })

  it("has an sshd for each user, in the unit that holds its sessions, on its own port with its own host key", async () => {
    const { plan, contents } = await resolvePlan(projectDir, "base", "ec2", await readSite(write()))
    const textOf = (path: string) => {
      const entry = plan.entries.find((one) => one.path === path)
      return contents.get(entry?.kind === "file" ? entry.sha256 : "")?.toString() ?? ""
    }
    const units = "/usr/lib/systemd/system"
    for (const [user, unit] of [
      ["agent", "stereo-session"],
      ["root", "stereo-root-session"],
    ] as const) {
      const socket = textOf(`${units}/${unit}.socket`)
      expect(socket).toContain(`\nListenStream=0.0.0.0:${SSH_PORTS[user]}\nAccept=yes\n`)
      expect(socket).toMatch(/^MaxConnectionsPerSource=\d+$/m)
      // a limit of triggers would end the socket until the machine ends
      expect(socket).toMatch(/^TriggerLimitIntervalSec=0$/m)
      expect(socket).toMatch(/^Requires=stereo-firewall\.service stereo-host-key\.service$/m)
      const config = `/usr/lib/stereo/sshd_config_${user}`
      expect(textOf(`${units}/${unit}@.service.d/60-ec2.conf`)).toContain(`sshd -i -e -f ${config}\n`)
      expect(textOf(config)).toMatch(
        new RegExp(`^HostKey /run/stereo/ssh/${user}_host_key\nAllowUsers ${user}$`, "m"),
      )
      expect(textOf(config)).toMatch(/^Include \/usr\/lib\/stereo\/sshd_config$/m)
      // a mask would be a link of the same name
      expect(plan.entries.map(({ path }) => path)).not.toContain(`/etc/systemd/system/${unit}.socket`)
    }
    const common = textOf("/usr/lib/stereo/sshd_config")
    expect(common).toContain("DisableForwarding yes")
    expect(common).not.toMatch(/^(HostKey|AllowUsers|PermitRootLogin|Port)\b/m)
    expect(textOf(`${units}/stereo-session@.service`)).toBe(
      readFileSync(join(projectDir, `images/base/files${units}/stereo-session@.service`), "utf8"),
    )
  })

  it("is not built without one, and an image for this host not with one", async () => {
    const without = await resolvePlan(projectDir, "base", "ec2")
    expect(() => refuseLackOfSite(without)).toThrow(expect.objectContaining({ code: "image/no-site" }))
    const site = await readSite(write())
    await expect(resolvePlan(projectDir, "base", "strict", site)).rejects.toMatchObject({
      code: "image/unused-site",
    })
  })
})
