/** Opens the archive's sqlite file, for its one writer or for readers beside it, behind kysely. */

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite"
import { Kysely, SqliteDialect } from "kysely"
import { Fault, reasonOf } from "../../contract/fault.ts"
import { type ArchiveTables, OLDEST_SCHEMA_VERSION, SCHEMA_SQL, SCHEMA_VERSION } from "./schema.ts"

export type ArchiveDatabase = Kysely<ArchiveTables>

/** Batches of every size are queries of their own. */
const MAX_PREPARED = 200

/** The writer: every commit is on the disk before it returns. */
export function openForWriting(file: string): ArchiveDatabase {
  return translate(file, () => {
    const database = new DatabaseSync(file, { timeout: 5000 })
    database.exec("pragma journal_mode = wal; pragma synchronous = full;")
    checkVersion(file, database)
    // whole or not at all: a layout half made would pass for the one that it was
    database.exec(`begin immediate; ${SCHEMA_SQL} commit;`)
    return wrap(database)
  })
}

/** A reader, which a running writer neither blocks nor notices. */
export function openForReading(file: string): ArchiveDatabase {
  return translate(file, () => {
    const database = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
    checkVersion(file, database)
    return wrap(database)
  })
}

function checkVersion(file: string, database: DatabaseSync): void {
  const version = Number(database.prepare("pragma user_version").get()?.["user_version"])
  if (version === 0 || (version >= OLDEST_SCHEMA_VERSION && version <= SCHEMA_VERSION)) return
  database.close()
  throw new Fault(
    "archive/other-version",
    `${file} has layout ${version}, this program knows ${OLDEST_SCHEMA_VERSION} to ${SCHEMA_VERSION}`,
    {
      hint: "use the version of stereo that wrote it, or move the archive folder away",
    },
  )
}

function translate(file: string, open: () => ArchiveDatabase): ArchiveDatabase {
  try {
    return open()
  } catch (thrown) {
    if (thrown instanceof Fault) throw thrown
    throw new Fault("archive/cannot-open", `${file}: ${reasonOf(thrown)}`, { cause: thrown })
  }
}

/** node:sqlite in the shape that kysely's dialect expects. */
function wrap(database: DatabaseSync): ArchiveDatabase {
  // the few queries there are come again with every call; preparing one costs more than running it
  const prepared = new Map<string, StatementSync>()
  const prepare = (sql: string) => {
    const statement = prepared.get(sql) ?? database.prepare(sql)
    if (prepared.size < MAX_PREPARED) prepared.set(sql, statement)
    // kysely types parameters as unknown; the tables above hold only strings, numbers and null
    const bind = (parameters: readonly unknown[]) => parameters as SQLInputValue[]
    return {
      reader: statement.columns().length > 0,
      all: (parameters: readonly unknown[]) => statement.all(...bind(parameters)),
      run: (parameters: readonly unknown[]) => statement.run(...bind(parameters)),
      iterate: (parameters: readonly unknown[]) => statement.iterate(...bind(parameters)),
    }
  }
  const dialect = new SqliteDialect({ database: { prepare, close: () => database.close() } })
  return new Kysely<ArchiveTables>({ dialect })
}
