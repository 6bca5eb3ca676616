// SQLite with a write-ahead log and full syncs, values as JSON: better-sqlite3, or Node's own where that does not load.

import { join } from "node:path"
import type { UserRecord } from "../workload.ts"
import { importPeer, versionOf } from "./peer.ts"
import type { Peer, PeerStore } from "./peer.ts"

export interface Statement {
  run(...values: (string | number)[]): unknown
  get(...values: (string | number)[]): unknown
  all(...values: (string | number)[]): unknown[]
}

export interface Database {
  exec(sql: string): unknown
  prepare(sql: string): Statement
  close(): unknown
}

type OpenDatabase = (path: string) => Database

const done = Promise.resolve()

class SqliteStore implements PeerStore {
  readonly #database: Database
  readonly #insert: Statement
  readonly #select: Statement
  readonly #begin: Statement
  readonly #commit: Statement

  constructor(database: Database) {
    database.exec("PRAGMA journal_mode = WAL")
    database.exec("PRAGMA synchronous = FULL")
    database.exec("CREATE TABLE IF NOT EXISTS users (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
    this.#database = database
    this.#insert = database.prepare("INSERT OR REPLACE INTO users VALUES (?, ?)")
    this.#select = database.prepare("SELECT value FROM users WHERE key = ?")
    this.#begin = database.prepare("BEGIN")
    this.#commit = database.prepare("COMMIT")
  }

  put(key: string, value: UserRecord): Promise<unknown> {
    this.#insert.run(key, JSON.stringify(value))
    return done
  }

  putMany(entries: readonly (readonly [string, UserRecord])[]): Promise<unknown> {
    this.#begin.run()
    for (const [key, value] of entries) this.#insert.run(key, JSON.stringify(value))
    this.#commit.run()
    return done
  }

  get(key: string): UserRecord | undefined {
    const row = this.#select.get(key) as { readonly value: string } | undefined
    return row === undefined ? undefined : (JSON.parse(row.value) as UserRecord)
  }

  count(): number {
    return (this.#database.prepare("SELECT count(*) AS count FROM users").get() as { readonly count: number }).count
  }

  async close(): Promise<void> {
    this.#database.close()
  }
}

async function load(): Promise<{
  readonly title: string
  readonly note?: string
  readonly openDatabase: OpenDatabase
}> {
  try {
    const { default: BetterSqlite } = (await importPeer("better-sqlite3")) as {
      readonly default: new (path: string) => Database
    }
    // The native part is only looked for when a database is opened.
    new BetterSqlite(":memory:").close()
    return {
      title: `better-sqlite3 ${versionOf("better-sqlite3")}`,
      openDatabase: (path) => new BetterSqlite(path),
    }
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)
    const { DatabaseSync } = await import("node:sqlite")
    return {
      title: `node:sqlite ${process.versions["sqlite"] ?? ""}`,
      note: `better-sqlite3 is not available: ${reason}. Node's own SQLite stands in for it.`,
      openDatabase: (path) => new DatabaseSync(path),
    }
  }
}

const { openDatabase, ...found } = await load()

/** A database in a file of its own, for scenarios with tables of their own. */
export function openSqlite(path: string): Database {
  const database = openDatabase(path)
  database.exec("PRAGMA journal_mode = WAL")
  database.exec("PRAGMA synchronous = FULL")
  return database
}

export const peer: Peer = {
  ...found,
  durability: "after the data sync (WAL, synchronous = FULL)",
  isAsynchronous: false,
  open: async (directory) => new SqliteStore(openDatabase(join(directory, "users.sqlite"))),
}
