import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { homeLayout, machineLayout } from "../../contract/home.ts"
import { openHostClient } from "../../machine/host-client.ts"
import { printable } from "../../machine/read-tail-text.ts"
import { awaitReady } from "../../machine/ready/await-ready.ts"
import { nameStoppedStage } from "../../machine/ready/boot-stage.ts"
import { makeRecord, openHostStandIn } from "./host-stand-in.ts"

describe("the stage at which a boot stopped", () => {
  it.each([
    ["firmware", "", ""],
    ["firmware", "SeaBIOS (version 1.16.3)\n", ""],
    ["kernel", "SeaBIOS (version 1.16.3)\nBooting from ROM..", ""],
    ["initramfs", "Booting from ROM..\nstereo-init: the root image is damaged\n", ""],
    ["systemd", "Booting from ROM..[    4.0] systemd[1]: Failed to start x.service\n", ""],
    ["agent", "[    4.0] systemd[1]: x", "still waiting for the guest's capture proxy"],
    ["identity", "[    4.0] systemd[1]: x", "still waiting for the guest agent to take its identity"],
  ] as const)("is %s", (stage, console, hostReason) => {
    expect(nameStoppedStage({ console, hostReason }).stage).toBe(stage)
  })
})

describe("a machine that does not become ready", () => {
  it("leaves its console and says where it stopped, with the last lines and the place of the logs", async () => {
    const home = homeLayout(mkdtempSync(join(tmpdir(), "stereo-ready-")))
    const layout = machineLayout(home, "demo")
    mkdirSync(layout.vm, { recursive: true })
    writeFileSync(layout.console, "Booting from ROM..\nstereo-init: dm-verity refuses the root disk\n")
    writeFileSync(layout.log, "+ bwrap --all\nqemu: terminating\n")
    await using standIn = await openHostStandIn(makeRecord())
    using host = openHostClient(standIn.socket)
    standIn.silent.add("GET /machines/demo/ready?timeout_ms=5000")
    const failed = awaitReady({
      ...{ name: "demo", layout, host, timeoutMs: 5000, signal: new AbortController().signal },
      ended: Promise.resolve({ code: 0, signal: null }),
    })
    const fault = await failed.then(String, (thrown: unknown) => thrown)
    rmSync(home.root, { recursive: true })
    expect(fault).toMatchObject({ code: "machine/not-ready", hint: expect.stringContaining(layout.console) })
    expect(String(fault)).toContain("stopped at stage initramfs")
    expect(String(fault)).toContain("QEMU ended with code 0")
    expect(String(fault)).toContain("console: stereo-init: dm-verity refuses the root disk")
    expect(String(fault)).toContain("QEMU: qemu: terminating")
    expect(String(fault)).not.toContain("bwrap --all")
  })
})

describe("a guest's console", () => {
  it("reaches the reader's terminal without escape sequences or control characters", () => {
    const text = printable("\u001b[2J\u001b[31mred\u001b[0m\u001b]0;title\u0007\u009b31m\r\nnext\u0000\t|")
    expect(text).toMatch(/^[\n\t\x20-\x7e·]*$/)
    expect(text).toContain("red")
    expect(text).toContain("\nnext")
  })
})
