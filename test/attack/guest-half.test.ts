import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { renderSyscallProgram } from "../../attack/guest/render-syscall-program.ts"
import { projectDir } from "../e2e/test-home.ts"

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "stereo-attack-guest-"))
  writeFileSync(join(dir, "syscall"), renderSyscallProgram(), { mode: 0o755 })
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

interface Kernel {
  calls(
    list: readonly { number: number; args: readonly (number | string)[] }[],
    marker: string,
    context: object,
  ): Promise<string>
}
interface Frames {
  renderFrame(frame: object, marker: string): Buffer
}

async function load<Module>(name: string): Promise<Module> {
  // plain scripts of the guest, without types of their own
  return (await import(pathToFileURL(join(projectDir, "attack/guest", name)).href)) as Module
}

describe("the program that makes system calls", () => {
  it("makes them with numbers, bytes and earlier results, and gives back what the kernel said", async () => {
    const { calls } = await load<Kernel>("kernel.mjs")
    const { releaseHeld } = await load<{ releaseHeld(): void }>("held.mjs")
    const path = Buffer.from("/proc/self/status\0").toString("hex")
    // open, close what was opened, close it again
    const said = await calls(
      [
        { number: 2, args: [path, 0, 0] },
        { number: 3, args: ["{result:0}"] },
        { number: 3, args: ["{result:0}"] },
        { number: 1_000_000, args: [] },
      ],
      "m",
      { dir, nonce: "n", pids: {} },
    )
    releaseHeld()
    const [opened, closed, again, unknown] = said.split(", ")
    expect(Number(opened)).toBeGreaterThan(2)
    expect([closed, again, unknown]).toEqual(["0", "error 9", "error 38"])
  })
})

describe("frames", () => {
  it("have the checksums that their receivers compute", async () => {
    const { renderFrame } = await load<Frames>("frames.mjs")
    const frame = renderFrame({ layer: "ip", type: 6, to: "1.1.1.1", port: 443 }, "zaaaaaa001")
    expect(sum(frame.subarray(14, 34))).toBe(0xffff)
    const pseudo = Buffer.concat([frame.subarray(26, 34), Buffer.from([0, 6, 0, 20])])
    expect(sum(Buffer.concat([pseudo, frame.subarray(34, 54)]))).toBe(0xffff)
    expect(frame.includes("zaaaaaa001")).toBe(true)
  })
})

function sum(bytes: Buffer): number {
  let total = 0
  for (let at = 0; at < bytes.length; at += 2) total += bytes.readUInt16BE(at)
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16)
  return total
}
