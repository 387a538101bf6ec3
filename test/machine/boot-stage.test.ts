import { describe, expect, it } from "vitest"
import { printable } from "../../machine/read-tail-text.ts"
import { nameStoppedStage } from "../../machine/ready/boot-stage.ts"

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

describe("a guest's console", () => {
  it("reaches the reader's terminal without escape sequences or control characters", () => {
    const text = printable("\u001b[2J\u001b[31mred\u001b[0m\u001b]0;title\u0007\u009b31m\r\nnext\u0000\t|")
    expect(text).toMatch(/^[\n\t\x20-\x7e·]*$/)
    expect(text).toContain("red")
    expect(text).toContain("\nnext")
  })
})
