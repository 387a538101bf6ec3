import { execFileSync } from "node:child_process"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { unpackDebs } from "../../builder/rootfs/unpack-debs.ts"
import { openFolder } from "./project-folder.ts"

describe("unpacking Debian's packages", () => {
  it("finds them in a home whose path has blanks and quotation marks", async () => {
    using folder = openFolder({
      "tree/DEBIAN/control":
        "Package: tool\nVersion: 1.0-1\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: a tool\n",
      "tree/usr/bin/tool": "#!/bin/sh\n",
    })
    const home = join(folder.dir, `a home, "of" somebody's`)
    mkdirSync(home)
    const file = join(home, "tool.deb")
    execFileSync("dpkg-deb", ["--root-owner-group", "--build", join(folder.dir, "tree"), file])
    const deb = {
      ...{ name: "tool", version: "1.0-1", arch: "all" as const, parts: ["root" as const], suite: "trixie" },
      ...{ sha256: "0".repeat(64), size_bytes: 1, path: "pool/tool.deb" },
    }
    const [unpacked] = await unpackDebs([{ deb, file }], home, async (_purpose, [program, ...args]) =>
      execFileSync(program, args, { cwd: home }),
    )
    expect([...(unpacked?.tree.keys() ?? [])]).toContain("/usr/bin/tool")
  })
})
