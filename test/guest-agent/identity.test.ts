import { execFileSync } from "node:child_process"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { isCaptureListening } from "../../guest-agent/agent/health.ts"
import { parseIdentity } from "../../guest-agent/agent/identity.ts"
import { renderSshdConfig } from "../../guest-agent/agent/sshd-config.ts"

const GOOD = {
  name: "m1",
  runId: "01m84ep1438h0n0c0xb462jqqg",
  epochMs: 1_795_446_039_936,
  entropyHex: "00".repeat(64),
  env: { A: "1" },
  ssh: { authorizedKey: "ssh-ed25519 AAAA m1", hostPrivateKey: "-----BEGIN OPENSSH PRIVATE KEY-----\n" },
}

describe("the identity", () => {
  it("is taken as it comes when it is whole", () => {
    expect(parseIdentity(GOOD)).toEqual(GOOD)
  })

  it.each([
    ["name", { ...GOOD, name: "../x" }],
    ["runId", { ...GOOD, runId: 5 }],
    ["epochMs", { ...GOOD, epochMs: "soon" }],
    ["entropyHex", { ...GOOD, entropyHex: "zz" }],
    ["env.A", { ...GOOD, env: { A: 1 } }],
    ["ssh.authorizedKey", { ...GOOD, ssh: { ...GOOD.ssh, authorizedKey: "ssh-ed25519 A\nssh-ed25519 B" } }],
    ["ssh", { ...GOOD, ssh: null }],
    ["the body", []],
  ])("names the field that is wrong: %s", (field, body) => {
    expect(() => parseIdentity(body)).toThrow(`PUT /identity: ${field}: expected`)
  })
})

describe("sshd's configuration", () => {
  const sshd = "/usr/sbin/sshd"
  const settings = (env: Record<string, string>): string[] => {
    const dir = mkdtempSync(join(tmpdir(), "stereo-sshd-"))
    try {
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(dir, "key")])
      const config = renderSshdConfig(env).replace(/^HostKey .*$/m, `HostKey ${join(dir, "key")}`)
      // not every sshd that this test meets has been built with PAM
      writeFileSync(join(dir, "config"), config.replace(/^UsePAM no\n/m, ""))
      const printed = execFileSync(sshd, ["-T", "-f", join(dir, "config")], { encoding: "utf8" })
      return printed.split("\n")
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  }

  it("allows keys only, two users, and no forwarding, as the real sshd understands it", (context) => {
    if (!existsSync(sshd)) context.skip("openssh-server is not installed")
    expect(settings({})).toEqual(
      expect.arrayContaining([
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "authenticationmethods publickey",
        "permitrootlogin without-password",
        "disableforwarding yes",
        "permituserenvironment no",
        "permituserrc no",
        "setenv SSL_CERT_FILE=/run/stereo/ca/bundle.crt",
      ]),
    )
  })

  it("carries every value unchanged, as the real sshd understands it", (context) => {
    if (!existsSync(sshd)) context.skip("openssh-server is not installed")
    const env = {
      SPACES: "a b  c",
      QUOTES: `say "hi" and 'ho'`,
      BACKSLASH: "C:\\",
      COMMENT: "a # b",
      VARIABLE: "$HOME %h $\x7bx}",
      MIXED: '\\"x\\\\',
      NOTHING: "",
    }
    const lines = Object.entries(env).map(([name, value]) => `setenv ${name}=${value}`)
    expect(settings(env)).toEqual(expect.arrayContaining(lines))
  })

  it.each([
    ["a line break", { A: "1\nPermitRootLogin yes" }],
    ["a NUL", { A: "\0" }],
    ["a name that is none", { "A B": "1" }],
  ])("refuses %s", (_name, env: Record<string, string>) => {
    expect(() => renderSshdConfig(env)).toThrow(/agent|env/)
  })
})

describe("the capture proxy's health", () => {
  const row = (port: number, uid: number, state = "0A") =>
    ` 0: 0100007F:${port.toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 ${state} 0:0 0:0 0 ${uid} 0 1 1`

  it("is good when every port is listened on by the proxy's own uid", () => {
    expect(
      isCaptureListening(["head", ...[53, 3128, 3180, 3443].map((port) => row(port, 990))].join("\n")),
    ).toBe(true)
  })

  it.each([
    ["a port is missing", [row(53, 990), row(3128, 990), row(3180, 990)]],
    ["another user sits on a port", [row(53, 990), row(3128, 1000), row(3180, 990), row(3443, 990)]],
    ["a port is only connected", [row(53, 990), row(3128, 990, "01"), row(3180, 990), row(3443, 990)]],
  ])("is bad when %s", (_name, rows) => {
    expect(isCaptureListening(["head", ...rows].join("\n"))).toBe(false)
  })
})
