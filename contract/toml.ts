/** Reads TOML against a shape; whatever is wrong is reported with file, line and key. */

import { parse, TomlError } from "smol-toml"
import type { z } from "zod"
import { Fault, reasonOf } from "./fault.ts"

export interface TomlSource {
  readonly text: string
  /** The path shown in errors. */
  readonly file: string
  /** The first half of the fault's code, for example `image`. */
  readonly stage: string
}

/**
 * Parses and checks a document. Faults: `STAGE/bad-toml` for a syntax error, `STAGE/bad-field` for an
 * unknown key, a wrong type or a value out of range; the message begins with `file:line: key:`.
 */
export function parseToml<Shape extends z.ZodType>(source: TomlSource, shape: Shape): z.infer<Shape> {
  const document = readSyntax(source)
  const result = shape.safeParse(document)
  if (result.success) return result.data
  const lines = result.error.issues.flatMap((issue) => describeIssue(issue, source, document))
  throw new Fault(`${source.stage}/bad-field`, lines.join("\n"), {
    hint: "correct the named keys; every key that stereo knows is described in docs/definitions.md",
  })
}

function readSyntax(source: TomlSource): unknown {
  try {
    return parse(source.text)
  } catch (thrown) {
    const line = thrown instanceof TomlError ? thrown.line : 1
    const reason = reasonOf(thrown).split("\n")[0]
    throw new Fault(`${source.stage}/bad-toml`, `${source.file}:${line}: ${reason}`, {
      hint: "it has to be TOML: key = value, text in quotation marks; docs/definitions.md has an example of each file",
      cause: thrown,
    })
  }
}

function describeIssue(issue: z.core.$ZodIssue, source: TomlSource, document: unknown): string[] {
  const path = issue.path.map(String)
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => place(source, [...path, key], "unknown key"))
  }
  return [place(source, path, explain(issue, valueAt(document, path)))]
}

/** What was expected; of what was found only the kind, since it may be a credential. */
function explain(issue: z.core.$ZodIssue, found: unknown): string {
  if (issue.code === "invalid_key") return `the name ${issue.issues[0]?.message ?? "is not allowed"}`
  if (found === undefined) return "is missing, and must be given"
  if (issue.code === "invalid_type") return `expected ${kindOf(issue.expected)}, got ${kindOf(typeOf(found))}`
  return issue.message
}

function typeOf(found: unknown): string {
  if (Array.isArray(found)) return "array"
  return found instanceof Date ? "date" : typeof found
}

const KINDS: Readonly<Record<string, string>> = {
  string: "text in quotation marks",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list in square brackets",
  object: "a table",
  date: "a date without quotation marks",
}

function kindOf(type: string): string {
  return KINDS[type] ?? type
}

function valueAt(document: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined),
    document,
  )
}

function place(source: TomlSource, path: readonly string[], message: string): string {
  return `${source.file}:${lineOfKey(source.text, path)}: ${path.join(".") || "(document)"}: ${message}`
}

/** The line (from 1) on which the key at `path` stands, or the nearest table that should hold it. */
export function lineOfKey(text: string, path: readonly string[]): number {
  let table: string[] = []
  let best = { depth: 0, line: 1 }
  const arrays = new Map<string, number>()
  for (const [index, raw] of text.split("\n").entries()) {
    const header = /^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?/.exec(raw)
    if (header) table = enterTable(header, arrays)
    const key = header ? null : /^\s*("[^"]+"|'[^']+'|[\w.-]+)\s*=/.exec(raw)
    if (!header && !key) continue
    const here = key ? [...table, ...splitKey(key[1] ?? "")] : table
    const depth = sharedDepth(here, path)
    if (depth === here.length && depth > best.depth) best = { depth, line: index + 1 }
  }
  return best.line
}

function enterTable(header: RegExpExecArray, arrays: Map<string, number>): string[] {
  const keys = splitKey(header[2] ?? "")
  const joined = keys.join("\0")
  if (header[1] === "[[") {
    const next = (arrays.get(joined) ?? -1) + 1
    arrays.set(joined, next)
    return [...keys, String(next)]
  }
  const parent = keys.slice(0, -1).join("\0")
  const at = arrays.get(parent)
  return at === undefined ? keys : [...keys.slice(0, -1), String(at), keys.at(-1) ?? ""]
}

function splitKey(key: string): string[] {
  return [...key.matchAll(/"([^"]*)"|'([^']*)'|([\w-]+)/g)].map((part) => part[1] ?? part[2] ?? part[3] ?? "")
}

function sharedDepth(left: readonly string[], right: readonly string[]): number {
  const end = left.findIndex((part, index) => part !== right[index])
  return end === -1 ? left.length : end
}
