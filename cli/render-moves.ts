/** Shows what differs between two locks, and which lock a build went by. */

import type { Move } from "../builder/lock/compare-locks.ts"
import type { LockInUse } from "../builder/make-lock.ts"
import { printTable } from "./print-table.ts"

/** `details` gives what else is known of a move; null: nothing. */
export function renderMoves(
  moves: readonly Move[],
  details: (move: Move) => string | null = () => null,
): string {
  return printTable(
    ["PACKAGE", "FROM", "TO", ""],
    moves.map((move) => {
      const { kind, name, from, to, security } = move
      const marks = [
        ...(security ? ["security"] : []),
        ...(details(move) === null ? [] : [details(move) ?? ""]),
      ]
      return [kind === "npm" ? `npm:${name}` : name, from ?? "(new)", to ?? "(removed)", marks.join(": ")]
    }),
  )
}

/** Nothing is said of a lock that was there and fits. */
export function renderLocks(locks: readonly LockInUse[]): string {
  return locks
    .map(({ made, file, moves }) => {
      if (made === "before") return ""
      if (made === "new") return `made ${file}, since there was none: commit it, and others build the same\n`
      return `packages of the lock are gone; went on with those of today, as in ${file}\n${renderMoves(moves)}`
    })
    .join("")
}
