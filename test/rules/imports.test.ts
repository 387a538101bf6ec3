import { existsSync } from "node:fs"
import { join } from "node:path"
import { describe, expect, it } from "vitest"
import { projectDir, readSources, type Source } from "./sources.ts"

const sources = readSources()
const PROGRAMS = ["builder", "machine", "guest-agent", "host-proxy", "review", "attack", "publish", "trust"]
const FOLDERS = ["contract", "cli", "images", "policies", "test", "docs", "bench", ...PROGRAMS]

/** Which of our folders each folder may import, and why no more. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  // the shapes that cross a boundary must not depend on either side of it
  contract: ["contract"],
  // the programs meet as files and as bytes on a wire, so that each can be replaced and reviewed alone
  builder: ["contract", "builder", "trust"],
  machine: ["contract", "machine", "trust"],
  "guest-agent": ["contract", "guest-agent"],
  "host-proxy": ["contract", "host-proxy"],
  // what a reviewer relies on judges data of the others, and shares no code with what it judges
  review: ["contract", "review"],
  // what attacks the others must not lean on them: the CLI lends it the machine
  attack: ["contract", "attack"],
  // who signs and who checks must mean the same; what both rest on knows neither
  trust: ["contract", "trust"],
  // what carries images to others gets a folder and its manifest: it knows neither how they are made nor how run
  publish: ["contract", "trust", "publish"],
  // only the CLI sees several
  cli: ["contract", "cli", "builder", "machine", "host-proxy", "review", "attack", "publish", "trust"],
}

describe("who may import whom", () => {
  it.each(FOLDERS)("the folder %s, which the rules name, is there", (folder) => {
    expect(existsSync(join(projectDir, folder))).toBe(true)
  })

  it("every source lies in a folder that the rules know", () => {
    expect(
      sources.filter((source) => !(folderOf(source.path) in ALLOWED)).map((source) => source.path),
    ).toEqual([])
  })

  it("no folder imports one that it may not see", () => {
    expect(ownImports((from, to) => !ALLOWED[folderOf(from)]?.includes(folderOf(to)))).toEqual([])
  })

  it("no stage imports another stage: only the spine, in the program's own folder, sees two", () => {
    const forbidden = (from: string, to: string) =>
      PROGRAMS.includes(folderOf(from)) &&
      stageOf(from) !== null &&
      stageOf(to) !== null &&
      stageOf(from) !== stageOf(to)
    expect(ownImports(forbidden)).toEqual([])
  })

  it("no source imports a main program", () => {
    expect(ownImports((_from, to) => to.endsWith("/main.ts"))).toEqual([])
  })

  it("no imports run in a circle, not even of types", () => {
    expect(findCircles(new Map(sources.map((source) => [source.path, source])))).toEqual([])
  })

  it("the guest's programs take only types from shapes that need zod: start-up time under TCG", () => {
    const heavy = new Set(
      sources
        .filter((source) => source.imports.some((one) => one.target === "zod" && !one.typeOnly))
        .map((one) => one.path),
    )
    const guest = sources.filter((source) => folderOf(source.path) === "guest-agent")
    expect(edges(guest).filter((edge) => !edge.typeOnly && heavy.has(edge.to))).toEqual([])
  })
})

/** Each circle once, as the import that closes it. */
function findCircles(byPath: ReadonlyMap<string, Source>): string[] {
  const done = new Set<string>()
  const open = new Set<string>()
  const visit = (path: string): string[] => {
    if (open.has(path)) return [path]
    const source = byPath.get(path)
    if (source === undefined || done.has(path)) return []
    open.add(path)
    const found = source.imports
      .filter((one) => one.own)
      .flatMap((one) =>
        visit(one.target).map((circle) => (circle === one.target ? `${path} → ${circle}` : circle)),
      )
    open.delete(path)
    done.add(path)
    return found
  }
  return [...byPath.keys()].flatMap(visit)
}

interface Edge {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

function edges(of: readonly Source[]): Edge[] {
  return of.flatMap((source) =>
    source.imports
      .filter((one) => one.own)
      .map((one) => ({ from: source.path, to: one.target, typeOnly: one.typeOnly })),
  )
}

function ownImports(forbidden: (from: string, to: string) => boolean): string[] {
  return edges(sources)
    .filter((edge) => forbidden(edge.from, edge.to))
    .map((edge) => `${edge.from} → ${edge.to}`)
}

function folderOf(path: string): string {
  return path.split("/")[0] ?? ""
}

/** The stage's folder inside a program; null for files that lie in the program's own folder. */
function stageOf(path: string): string | null {
  const parts = path.split("/")
  return parts.length > 2 ? `${parts[0]}/${parts[1]}` : null
}
