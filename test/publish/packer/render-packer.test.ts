import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parsePackerForm } from "../../../publish/packer/packer-version.ts"
import { quoteHcl } from "../../../publish/packer/quote-hcl.ts"
import { type PackerRequest, renderPacker } from "../../../publish/packer/render-packer.ts"
import { writeFolder } from "../../../publish/packer/write-folder.ts"
import { aRequest } from "./a-request.ts"
import { openPacker, type Packer } from "./debian-packer.ts"

const golden = join(import.meta.dirname, "../../golden/packer")
const HOSTILE = [
  ...[
    "\x24{env.HOME}",
    "%{ if true }x%{ endif }",
    "$\x24{x}",
    "%%{x}",
    '"',
    'a"b\\"c',
    "\\",
    "\\n",
    "back\\",
  ],
  ...["}}", "{", "$ {", "{ {"],
  ...[
    "two\nlines",
    "\r\n",
    "tab\t",
    "\u0001\u001b[31m",
    "\u2028",
    "ünï ☃ 𝄞",
    "'; exit 3; '",
    "`id`",
    "$(id)",
    "# comment",
    "/* */",
  ],
  ...["a, b", "--flag", " ", "EOF\nresource"],
]

let packer: Packer
let root: string
beforeAll(async () => {
  packer = await openPacker()
  root = mkdtempSync(join(tmpdir(), "stereo-packer-test-"))
}, 120_000)
afterAll(() => {
  packer[Symbol.dispose]()
  rmSync(root, { recursive: true, force: true })
})

async function write(name: string, request: PackerRequest): Promise<string> {
  const dir = join(root, name)
  await writeFolder(dir, await renderPacker(request), { force: false })
  return dir
}

describe("a folder for Packer", () => {
  it.each(["plugins", "bundled"] as const)("is the known one for Packer's form %s", async (form) => {
    for (const { name, text } of await renderPacker(aRequest("base", { form }))) {
      if (name !== "write-volume.sh") await expect(text).toMatchFileSnapshot(join(golden, form, name))
    }
  })

  it("is the same whenever it is rendered", async () => {
    const [first, second] = [await renderPacker(aRequest("base")), await renderPacker(aRequest("base"))]
    expect(second).toEqual(first)
  })

  it("has a description for each variable and no secret", async () => {
    const [template] = await renderPacker(aRequest("base"))
    const variables = template?.text.match(/^variable "\w+" \{\n(?: {2}.*\n|\n)*?\}/gm) ?? []
    expect(variables.length).toBeGreaterThan(12)
    expect(variables.filter((one) => !/\n {2}description = "\S/.test(one))).toEqual([])
    expect(template?.text).not.toMatch(/\b(secret\w*|password|access_key|token)\s*=/i)
  })
})

describe("Debian's packer", () => {
  it("takes the template that is rendered for it", async () => {
    const dir = await write("valid", aRequest("base", { form: "bundled" }))
    writeFileSync(join(dir, "base.raw"), "")
    expect(await packer.run(dir, ["validate", "."])).toEqual({ code: 0, output: "" })
  })

  it.each(["plugins", "bundled"] as const)("finds nothing to format in the form %s", async (form) => {
    const dir = await write(`format-${form}`, aRequest("base", { form }))
    expect(await packer.run(dir, ["fmt", "-check", "-diff", "."])).toEqual({ code: 0, output: "" })
  })

  it("asks for a newer one where the template is for a newer one", async () => {
    const { code, output } = await packer.run(await write("newer", aRequest("base")), ["validate", "."])
    expect(code).toBe(1)
    expect(output).toMatch(/required_plugins|version/)
  })

  it.each([
    ["accelerator=none", "one of kvm, tcg, hvf"],
    ["disk_sha256=0123", "64 lower-case hex digits"],
    [`disk_sha256=${"G".repeat(64)}`, "64 lower-case hex digits"],
    ["output_directory=a,readonly=off", "comma"],
    ["ovmf_code=", "empty"],
    ["ovmf_vars=/a,b", "comma"],
    ["region=Frankfurt", "eu-central-1"],
    ["ami_name=x{}", "3 to 128"],
    ["volume_gib=1", "does not fit"],
  ])("refuses -var %s in words", async (variable, words) => {
    const dir = await write(
      `bad-${variable.length}-${variable.slice(0, 8)}`,
      aRequest("base", { form: "bundled" }),
    )
    const { code, output } = await packer.run(dir, ["validate", "-var", variable, "."])
    expect(code).toBe(1)
    expect(output).toContain(words)
  })

  it.each(HOSTILE.map((text, index) => [index, text] as const))(
    "takes an image of a hostile name, number %i: %j",
    async (index, text) => {
      const disk = { file: `${text}.raw`, sha256: "c".repeat(64), sizeBytes: 1 }
      // folders of AMIs and of QEMU have rules of their own; what must never happen is that a name is code
      const dir = await write(`hostile-${index}`, aRequest(text, { form: "bundled", disk }))
      const { output } = await packer.run(dir, ["validate", "."])
      expect(output).not.toMatch(
        /Unsupported|Unclosed|Invalid (expression|template|character)|Argument or block|unknown|variable named|parse|function/i,
      )
    },
  )

  it("reads each hostile text back as it was, through HCL2 and the plugins' own templates", async () => {
    const dir = join(root, "read-back")
    mkdirSync(dir)
    const variables = HOSTILE.map((text, index) => `      ${quoteHcl(`V${index}=${text}`)},`)
    writeFileSync(
      join(dir, "a.pkr.hcl"),
      [
        'source "null" "none" {\n  communicator = "none"\n}\nbuild {\n  sources = ["source.null.none"]',
        '  provisioner "shell-local" {\n    environment_vars = [',
        ...variables,
        '    ]\n    inline = ["env -0 > env"]\n  }\n}\n',
      ].join("\n"),
    )
    expect(await packer.run(dir, ["build", "."])).toMatchObject({ code: 0 })
    const environment = readFileSync(join(dir, "env"), "utf8").split("\0")
    const found = HOSTILE.map((_text, index) => {
      return environment.find((one) => one.startsWith(`V${index}=`))?.slice(`V${index}=`.length)
    })
    expect(found).toEqual(HOSTILE)
  })
})

describe("a text that Packer's plugins would evaluate", () => {
  it.each(["{{ user `x` }}", "{{{", "${{", "a{{"])("is refused: %j", async (text) => {
    await expect(renderPacker(aRequest(text))).rejects.toMatchObject({ code: "packer/odd-text" })
  })
})

describe("versions of Packer", () => {
  it.each([
    ["1.6.6", "bundled"],
    ["1.6", "bundled"],
    ["v1.7.0", "plugins"],
    ["1.11", "plugins"],
    ["2.0.0", "plugins"],
  ])("%s reads the form %s", (version, form) => {
    expect(parsePackerForm(version)).toBe(form)
  })

  it.each(["1.6.5", "0.12.3", "1.5"])("%s is too old", (version) => {
    expect(() => parsePackerForm(version)).toThrow(expect.objectContaining({ code: "packer/too-old" }))
  })

  it.each(["", "latest", "1", "1.6.6-dev\n", "99999.1"])("%j is no version", (version) => {
    expect(() => parsePackerForm(version)).toThrow(expect.objectContaining({ code: "packer/bad-version" }))
  })
})

describe("the folder it is written to", () => {
  it("may be the same again, and is not written over when something else is there", async () => {
    const dir = await write("again", aRequest("base"))
    await write("again", aRequest("base"))
    writeFileSync(join(dir, "README.md"), "mine")
    await expect(write("again", aRequest("base"))).rejects.toMatchObject({ code: "packer/changed-file" })
    expect(readFileSync(join(dir, "README.md"), "utf8")).toBe("mine")
    await writeFolder(dir, await renderPacker(aRequest("base")), { force: true })
    expect(readFileSync(join(dir, "README.md"), "utf8")).toContain("base")
  })
})
