import { describe, expect, it } from "vitest"
import { readSources, type Source } from "./sources.ts"

const sources = readSources()

describe("where effects may happen", () => {
  it("processes are started in one file of each program, so that each is logged and bounded alike", () => {
    const starters = [
      ...["builder/run.ts", "machine/run.ts", "guest-agent/agent/run.ts", "trust/run.ts"],
      "cli/ensure-host.ts",
    ]
    expect(
      importing(/^(execa|node:child_process|child_process)$/).filter((path) => !starters.includes(path)),
    ).toEqual([])
  })

  it("outbound connections to the world are opened only in host-proxy/provider, to AWS and registries in publish, and to Sigstore in trust/sigstore", () => {
    const outbound = importing(/^(undici|node:https|node:dgram|node:dns.*|@aws-sdk\/.*|@sigstore\/sign)$/)
    const allowed = (path: string) =>
      path.startsWith("host-proxy/provider/") ||
      // the registry that a person names to `stereo push` and `pull`, and where it sends one
      path === "publish/oci/registry/transport.ts" ||
      // what a person asks for by `stereo publish ec2`; nothing of a guest leads there
      path.startsWith("publish/ec2/") ||
      // listens on 127.0.0.1:53 for the guest's own resolver and sends nothing else
      path.startsWith("guest-agent/capture/dns") ||
      // Sigstore's services, when a build is told to sign by an identity
      path.startsWith("trust/sigstore/") ||
      // witnesses of the attack: they listen, and send to nobody but themselves
      path.startsWith("attack/witness/")
    expect(outbound.filter((path) => !allowed(path))).toEqual([])
  })

  it("nobody calls fetch: it would go round the address floor", () => {
    expect(matching(/(?<![\w.])fetch\(/).filter((path) => !path.startsWith("host-proxy/provider/"))).toEqual(
      [],
    )
  })

  it("environment, arguments and clock are read only in main programs and the CLI", () => {
    const outside = sources.filter(
      (source) => !source.path.startsWith("cli/") && !/(^|[/-])main\.ts$/.test(source.path),
    )
    const readers = outside.filter((source) =>
      /\bprocess\.(env|argv)\b|\bDate\.now\(\)|\bnew Date\(\)/.test(codeOf(source)),
    )
    expect(readers.map((source) => source.path)).toEqual([])
  })

  it("real credentials are named only in host-proxy/provider and the data that describes them", () => {
    expect(
      matching(/credential\.environment/).filter((path) => !path.startsWith("host-proxy/provider/")),
    ).toEqual([])
  })
})

describe("what no source may hold", () => {
  it.each([
    ["an empty catch: it hides what went wrong", /catch\s*(\([^)]*\))?\s*\{\s*\}/],
    ["any: it switches the checker off", /:\s*any\b|\bas any\b|<any>/],
    ["a silenced checker", /@ts-(ignore|expect-error|nocheck)/],
    ["a mark of unfinished work", /\b(TODO|FIXME|XXX)\b/],
  ])("%s", (_reason, pattern) => {
    expect(matching(pattern)).toEqual([])
  })

  it("every file opens with a sentence on what it is", () => {
    const silent = sources.filter((source) => !/^(#![^\n]*\n)?\/\*\*/.test(source.text))
    expect(silent.map((source) => source.path)).toEqual([])
  })

  it("at most three exported functions and classes a file", () => {
    const crowded = sources.filter((source) => exportsOf(source) > 3)
    expect(crowded.map((source) => `${source.path}: ${exportsOf(source)}`)).toEqual([])
  })
})

function importing(pattern: RegExp): string[] {
  const found = sources.filter((source) =>
    source.imports.some((one) => !one.own && !one.typeOnly && pattern.test(one.target)),
  )
  return found.map((source) => source.path)
}

function matching(pattern: RegExp): string[] {
  return sources.filter((source) => pattern.test(codeOf(source))).map((source) => source.path)
}

/** The text without comments, so that prose may name what code must not. */
function codeOf(source: Source): string {
  return source.text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|\s)\/\/[^\n]*/g, "")
}

function exportsOf(source: Source): number {
  return [...source.text.matchAll(/^export (async )?(function|class)\b/gm)].length
}
