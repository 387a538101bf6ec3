/** Gates on a sealed tree's entries: rights, owners and names that nobody should be surprised by. */

import type { Tree, TreeEntry } from "../tree.ts"
import type { Finding, GateException } from "./finding.ts"

export interface FileRules {
  /** Paths that the definition itself places, with owner and mode: they are explained. */
  readonly planned: ReadonlySet<string>
  readonly exceptions: readonly GateException[]
}

type Owned = Exclude<TreeEntry, { kind: "link" }>

interface Check {
  readonly gate: Finding["gate"]
  /** What was found where it should not be, or null. */
  readonly find: (path: string, entry: TreeEntry, context: Context) => string | null
  readonly allowed: string
  readonly advice: string
}

interface Context {
  readonly uids: ReadonlySet<number>
  readonly gids: ReadonlySet<number>
  readonly planned: ReadonlySet<string>
}

/** Every entry is held against every check; an exception takes a path out of one. */
export function checkFiles(tree: Tree, rules: FileRules): Finding[] {
  const context = {
    uids: idsOf(tree, "/etc/passwd"),
    gids: idsOf(tree, "/etc/group"),
    planned: rules.planned,
  }
  const excepted = new Set(rules.exceptions.flatMap(({ gate, paths }) => paths.map((path) => gate + path)))
  return [...tree].flatMap(([path, entry]) =>
    CHECKS.flatMap(({ gate, find, allowed, advice }) => {
      const found = excepted.has(gate + path) ? null : find(path, entry, context)
      return found === null ? [] : [{ gate, subject: path, found, allowed, advice }]
    }),
  )
}

const EXCEPT = "or explain it: [[exception]] gate, paths, why"

const CHECKS: readonly Check[] = [
  {
    gate: "setuid",
    find: (_path, entry) =>
      ifOwned(entry, ({ mode, kind }) => (kind === "file" && (mode & 0o6000) !== 0 ? octal(mode) : null)),
    allowed: "no setuid or setgid bit on a file",
    advice: "take the program out with [[prune]]; nothing in an image may raise its rights",
  },
  {
    gate: "capabilities",
    find: (_path, entry) => (entry.kind === "file" ? (entry.capabilities ?? null) : null),
    allowed: "no capability of a file (security.capability)",
    advice: "give the right to a unit instead: AmbientCapabilities=",
  },
  {
    gate: "world-writable",
    find: (_path, entry) => ifOwned(entry, ({ mode }) => ((mode & 0o1002) === 0o002 ? octal(mode) : null)),
    allowed: "nothing that everybody may write, but folders with the sticky bit",
    advice: `give it another mode with [[owner]] or [[directory]], ${EXCEPT}`,
  },
  {
    gate: "unowned",
    find: (_path, entry, { uids, gids }) =>
      ifOwned(entry, ({ uid, gid }) => (uids.has(uid) && gids.has(gid) ? null : `${uid}:${gid}`)),
    allowed: "an owner and a group that /etc/passwd and /etc/group name",
    advice: `name the account with [[user]] or [[group]], ${EXCEPT}`,
  },
  {
    gate: "writable",
    find: (path, entry, { planned }) =>
      ifOwned(entry, (owned) => (planned.has(path) ? null : writableBy(owned))),
    allowed: "what is not root's alone stands in the definition",
    advice: `place it with [[directory]] or [[owner]], ${EXCEPT}`,
  },
  {
    gate: "odd-name",
    find: (path) => describeOddName(path),
    allowed: "names that a terminal shows as they are and that nobody overlooks",
    advice: `take it out with [[prune]], ${EXCEPT}`,
  },
]

function ifOwned(entry: TreeEntry, find: (entry: Owned) => string | null): string | null {
  return entry.kind === "link" ? null : find(entry)
}

function writableBy({ mode, uid, gid }: Owned): string | null {
  if (uid !== 0 && (mode & 0o200) !== 0) return `writable by uid ${uid}`
  return gid !== 0 && (mode & 0o020) !== 0 ? `writable by gid ${gid}` : null
}

/** Control characters, bytes that are no UTF-8, letters that turn a line round, blanks at an end, dots alone. */
function describeOddName(path: string): string | null {
  const name = path.slice(path.lastIndexOf("/") + 1)
  if (/\p{Cc}|\p{Cf}|\ufffd/u.test(name)) return JSON.stringify(name)
  return /^\s|\s$|^\.{2,}$|^-/.test(name) ? JSON.stringify(name) : null
}

function idsOf(tree: Tree, path: string): Set<number> {
  const entry = tree.get(path)
  const text = entry?.kind === "file" && "bytes" in entry.content ? entry.content.bytes.toString() : ""
  return new Set(
    text
      .split("\n")
      .flatMap((line) => line.split(":")[2] ?? [])
      .map(Number),
  )
}

function octal(mode: number): string {
  return `mode ${mode.toString(8).padStart(4, "0")}`
}
