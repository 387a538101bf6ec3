/** Reads recorded exchanges from YAML cassettes: only the bodies, which is all that the tests need. */

import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

export interface Cassette {
  readonly name: string
  readonly url: string
  readonly requestBody: string
  readonly responseBody: string
  readonly contentType: string
}

export function readCassettes(dir: string): readonly Cassette[] {
  const files = readdirSync(dir).filter((name) => name.endsWith(".yaml"))
  return files.sort().map((name) => readCassette(readFileSync(join(dir, name), "utf8"), name))
}

function readCassette(text: string, name: string): Cassette {
  const [requestBody = "", responseBody = ""] = readBodies(text.split("\n"))
  return {
    name: name.replace(/\.yaml$/, ""),
    url: /^ *url: (\S+)$/m.exec(text)?.[1] ?? "",
    requestBody,
    responseBody,
    contentType: responseBody.startsWith("data:") ? "text/event-stream" : "application/json",
  }
}

function readBodies(lines: readonly string[]): string[] {
  const bodies: string[] = []
  for (const [index, line] of lines.entries()) {
    const found = /^( *)body: (.*)$/.exec(line)
    if (!found) continue
    const [, indent = "", value = ""] = found
    // a scalar in double quotes is also a JSON string, as these were written
    if (value.startsWith('"')) bodies.push(String(JSON.parse(value)))
    else if (value.startsWith("|")) bodies.push(readBlock(lines.slice(index + 1), indent.length))
    else bodies.push(value)
  }
  return bodies
}

function readBlock(lines: readonly string[], indent: number): string {
  const end = lines.findIndex((line) => line.trim() !== "" && line.length - line.trimStart().length <= indent)
  const block = end < 0 ? lines : lines.slice(0, end)
  const margin = (block[0] ?? "").length - (block[0] ?? "").trimStart().length
  return block.map((line) => line.slice(margin)).join("\n")
}
