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
  const result = shape.safeParse(readSyntax(source))
  if (result.success) return result.data
  const lines = result.error.issues.flatMap((issue) => describeIssue(issue, source))
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
    throw new Fault(`${source.stage}/bad-toml`, `${source.file}:${line}: ${reason}`, { cause: thrown })
  }
}

function describeIssue(issue: z.core.$ZodIssue, source: TomlSource): string[] {
  const path = issue.path.map(String)
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => place(source, [...path, key], "unknown key"))
  }
  return [place(source, path, issue.message)]
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
