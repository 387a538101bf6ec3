import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const launcher = resolve(import.meta.dirname, "../../stereo")
let home: string

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "stereo-completion-"))
  const built = ["images/by-name/base-ec2", "images/by-name/coder"]
  for (const name of ["machines/alpha", "machines/beta", ...built]) {
    mkdirSync(join(home, name), { recursive: true })
  }
  mkdirSync(join(home, "keys/trusted"), { recursive: true })
  for (const file of ["signing.pem", "trusted/ci.pub"]) writeFileSync(join(home, "keys", file), "")
})
afterAll(() => rmSync(home, { recursive: true }))

/** What each shell offers at the end of `line`, asked of the shell itself. */
const SHELLS = {
  bash: (script: string, line: string) => {
    const words = line.split(" ").map((word) => `'${word}'`)
    const ask = `source '${script}'; COMP_WORDS=(${words.join(" ")}); COMP_CWORD=${words.length - 1}; _stereo; printf '%s\\n' "\${COMPREPLY[@]}"`
    return ["bash", "--norc", "-c", ask]
  },
  zsh: (script: string, line: string) => {
    const all = line.split(" ").map((word) => `'${word}'`)
    // compadd is a builtin of the line editor; its words are what would be offered
    const ask = [
      "compdef() { : }; compadd() { shift; print -l -- $@ }; _files() { : }; _default() { : }",
      `source '${script}'; words=(${all.join(" ")}); CURRENT=${all.length}; _stereo`,
    ].join("\n")
    return ["zsh", "-f", "-c", ask]
  },
  fish: (script: string, line: string) => ["fish", "-N", "-c", `source '${script}'; complete -C '${line}'`],
} as const

describe.each(Object.keys(SHELLS) as (keyof typeof SHELLS)[])("completion in %s", (shell) => {
  const missing = spawnSync(shell, ["-c", "true"]).error !== undefined
  if (missing) console.warn(`skipped: ${shell} is not installed`)

  const environment = () => ({ ...process.env, STEREO_HOME: home, HOME: home })
  const scriptFile = () => join(home, `completion.${shell}`)
  beforeAll(() =>
    writeFileSync(scriptFile(), execFileSync(launcher, ["completion", shell], { env: environment() })),
  )

  function offered(line: string): string[] {
    const script = scriptFile()
    const [file, ...args] = SHELLS[shell](script, line)
    const printed = execFileSync(file ?? "", args, {
      env: environment(),
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    })
    const last = line.split(" ").at(-1) ?? ""
    const words = printed.split("\n").map((row) => row.split("\t")[0] ?? "")
    return words.filter((word) => word !== "" && word.startsWith(last)).sort()
  }

  it.skipIf(missing)("offers commands", () => {
    expect(offered("stereo d")).toEqual(["doctor", "down"])
  })

  it.skipIf(missing)("offers the machines that are there", () => {
    expect(offered("stereo exec ")).toEqual(expect.arrayContaining(["alpha", "beta"]))
    expect(offered("stereo rm -f a")).toEqual(["alpha"])
  })

  it.skipIf(missing)("offers the images that are there", () => {
    expect(offered("stereo up --image ")).toEqual(["base-ec2", "coder"])
    expect(offered("stereo images show c")).toEqual(["coder"])
    expect(offered("stereo images diff b")).toEqual(["base-ec2"])
    expect(offered("stereo images diff base-ec2 c")).toEqual(["coder"])
  })

  it.skipIf(missing)(
    "offers definitions, and no built image, where one is built, planned or extended",
    () => {
      for (const line of ["stereo build ", "stereo plan ", "stereo init image mine --extends "]) {
        expect(offered(line), line).toEqual(expect.arrayContaining(["base", "ci", "coder", "python"]))
        expect(offered(`${line}base-`), line).toEqual([])
        expect(offered(`${line}t`), `${line}: the tools tree is no image`).toEqual([])
      }
      expect(offered("stereo lock b")).toEqual(["base"])
      expect(offered("stereo lock base t")).toEqual(["tools"])
    },
  )

  it.skipIf(missing)("offers the profiles of the project", () => {
    for (const command of ["build base", "plan base", "lock"])
      expect(offered(`stereo ${command} --profile `), command).toEqual(["debug", "ec2", "strict"])
  })

  it.skipIf(missing)("offers the keys that are trusted", () => {
    expect(offered("stereo keys show ")).toEqual(expect.arrayContaining(["ci", "own"]))
    expect(offered("stereo keys distrust c")).toEqual(["ci"])
  })

  it.skipIf(missing)("offers machines and images to a review", () => {
    expect(offered("stereo egress verify a")).toEqual(["alpha"])
    expect(offered("stereo egress diff alpha c")).toEqual(["coder"])
  })

  it.skipIf(missing)("offers options and their choices", () => {
    expect(offered("stereo exec --u")).toEqual(["--user"])
    expect(offered("stereo exec --user ")).toEqual(["agent", "root"])
  })

  it.skipIf(missing)("offers nothing of stereo's own to the command inside a machine", () => {
    expect(offered("stereo run -- d")).not.toContain("doctor")
  })
})
