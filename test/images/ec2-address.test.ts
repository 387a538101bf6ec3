import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { projectDir } from "../rules/sources.ts"

const dir = mkdtempSync(join(tmpdir(), "stereo-lease-"))
const lease = join(dir, "lease")
const scripts = join(projectDir, "images/profiles/ec2/files/usr/lib/stereo")
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** As udhcpc does it. */
function keep(environment: Readonly<Record<string, string>>, event = "bound"): string {
  rmSync(lease, { force: true })
  execFileSync("sh", [join(scripts, "dhcp-lease"), event], {
    env: { RUNTIME_DIRECTORY: dir, ...environment },
  })
  return readFileSync(lease, "utf8")
}

/** The real script, with `echo ip` in the place of ip and the test's lease in that of the instance's. */
function set(text: string): string[] {
  writeFileSync(lease, text)
  const script = readFileSync(join(scripts, "set-address"), "utf8")
  const here = script.replaceAll("/usr/sbin/ip", "echo ip").replaceAll("/run/stereo/lease/lease", lease)
  const printed = execFileSync("sh", ["-c", here], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
  return printed.split("\n").filter((line) => line !== "")
}

describe("the address of an instance", () => {
  it("is what was leased, with the first router and nothing else of the offer", () => {
    const offer = {
      ip: "10.20.0.7",
      mask: "24",
      router: "10.20.0.1 10.20.0.2",
      dns: "8.8.8.8",
      staticroutes: "x",
    }
    expect(keep(offer)).toBe("10.20.0.7/24 10.20.0.1\n")
    expect(set(keep(offer))).toEqual([
      "ip address replace 10.20.0.7/24 dev eth0",
      "ip route replace default via 10.20.0.1 dev eth0",
    ])
  })

  it("needs no router", () => {
    expect(set(keep({ ip: "10.20.0.7", mask: "24" }))).toEqual(["ip address replace 10.20.0.7/24 dev eth0"])
  })

  it("is not kept before it is bound", () => {
    expect(() => keep({ ip: "10.20.0.7", mask: "24" }, "deconfig")).toThrow(/ENOENT/)
  })

  it.each([
    "10.20.0.7/24 dev lo",
    "10.20.0.7/24 10.20.0.1 metric 1",
    "-batch /tmp/x",
    "$(id)/24 10.20.0.1",
    "",
  ])("is not set by a lease that says %j", (text) => {
    expect(() => set(`${text}\n`)).toThrow()
  })
})
