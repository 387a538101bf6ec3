import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it, onTestFinished } from "vitest"
import { addByteCode } from "../../builder/seal/byte-code.ts"
import { runTool } from "../../builder/tools-tree.ts"
import type { Tree, TreeEntry } from "../../builder/tree.ts"
import { toolsDir } from "../machine/tools-home.ts"
import { openFolder } from "./project-folder.ts"

const MODULES = {
  "/usr/lib/python3.13/os.py":
    'import sys\nNAMES = {"b", "a", "c"} | frozenset(("x", "y"))\nhas = "y" in {"x", "y", "z"}\n',
  "/usr/lib/python3.13/json/__init__.py": "def load():\n  return __file__\n",
  "/usr/lib/python3/dist-packages/pip/__main__.py": "print(1)\n",
}

describe.skipIf(toolsDir === null)("the byte code of a tree's Python", () => {
  it("lies beside each module, is its package's, and is not compared with the module at each start", async () => {
    const { tree, origins, count } = await compile(MODULES)
    expect(count).toBe(3)
    const compiled = "/usr/lib/python3.13/json/__pycache__/__init__.cpython-313.pyc"
    expect([...tree.keys()].filter((path) => path.endsWith(".pyc")).sort()).toEqual([
      "/usr/lib/python3.13/__pycache__/os.cpython-313.pyc",
      compiled,
      "/usr/lib/python3/dist-packages/pip/__pycache__/__main__.cpython-313.pyc",
    ])
    expect(tree.get("/usr/lib/python3.13/json/__pycache__")).toMatchObject({ kind: "directory", mode: 0o755 })
    expect(tree.get(compiled)).toMatchObject({ kind: "file", mode: 0o644, uid: 0, gid: 0 })
    expect(origins.get(compiled)).toBe("deb:of /usr/lib/python3.13/json/__init__.py")
    const bytes = bytesOf(tree, compiled)
    // PEP 552: of a hash, and not to be checked
    expect(bytes.readUInt32LE(4)).toBe(0b01)
    expect(bytes.includes("/usr/lib/python3.13/json/__init__.py")).toBe(true)
  })

  it("is the same in another folder", async () => {
    const [one, other] = [await compile(MODULES), await compile(MODULES)]
    for (const path of one.tree.keys()) {
      if (path.endsWith(".pyc")) expect(bytesOf(one.tree, path).equals(bytesOf(other.tree, path))).toBe(true)
    }
  })

  it("is not made of what is no Python, and the build says which file that is", async () => {
    const broken = { ...MODULES, "/usr/lib/python3.13/broken.py": "def (:\n" }
    await expect(compile(broken)).rejects.toMatchObject({
      code: "build/command-failed",
      message: expect.stringMatching(/byte code of Python's modules[\s\S]*usr\/lib\/python3\.13\/broken\.py/),
    })
  })

  it("is none where there is no Python", async () => {
    const { tree, count } = await compile({ "/usr/share/gdb/auto-load/x.py": "import gdb\n" })
    expect([count, tree.size]).toEqual([0, 1])
  })
})

async function compile(files: Readonly<Record<string, string>>) {
  const folder = openFolder()
  onTestFinished(() => folder[Symbol.dispose]())
  const tree: Tree = new Map(Object.entries(files).map(([path, text]) => [path, moduleOf(text)]))
  const origins = new Map(Object.keys(files).map((path) => [path, `deb:of ${path}`]))
  const dir = join(folder.dir, "python")
  const count = await addByteCode(tree, origins, {
    dir,
    run: (command) =>
      runTool(toolsDir ?? "", {
        ...{ command, purpose: "byte code of Python's modules", workDir: dir },
        ...{ logFile: join(folder.dir, "log"), signal: new AbortController().signal },
      }),
  })
  expect(existsSync(dir)).toBe(false)
  return { tree, origins, count }
}

function moduleOf(text: string): TreeEntry {
  const bytes = Buffer.from(text)
  return { kind: "file", mode: 0o755, uid: 0, gid: 0, content: { bytes, sizeBytes: bytes.length } }
}

function bytesOf(tree: Tree, path: string): Buffer {
  const entry = tree.get(path)
  return entry?.kind === "file" && "bytes" in entry.content ? entry.content.bytes : Buffer.alloc(0)
}
