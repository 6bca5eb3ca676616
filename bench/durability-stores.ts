// The stores whose durability is compared, each with its default settings and every write awaited, and the three calls
// that are needed of each. Where a store's own manual recommends another setting, that is a row of its own. Loaded on
// demand, in processes that are killed.

import { appendFile, readFile } from "node:fs/promises"
import { join } from "node:path"
import { importPeer, versionOf } from "./peers/peer.ts"

export interface Stored {
  readonly n: number
  readonly text: string
}

export interface OpenStore {
  put(key: string, value: Stored): Promise<unknown>
  get(key: string): Promise<Stored | undefined>
  close(): Promise<unknown>
}

export interface DurabilityStore {
  /** What settings these are. */
  readonly settings: string
  readonly version: () => string
  readonly open: (directory: string) => Promise<OpenStore>
}

interface SqlDatabase {
  exec(sql: string): unknown
  prepare(sql: string): { run(...values: string[]): unknown; get(...values: string[]): unknown }
  close(): unknown
}

function sqlStore(database: SqlDatabase, mode: "default" | "wal"): OpenStore {
  if (mode === "wal") database.exec("PRAGMA journal_mode = WAL")
  database.exec("CREATE TABLE IF NOT EXISTS lines (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
  const insert = database.prepare("INSERT OR REPLACE INTO lines VALUES (?, ?)")
  const select = database.prepare("SELECT value FROM lines WHERE key = ?")
  return {
    put: async (key, value) => insert.run(key, JSON.stringify(value)),
    get: async (key) => {
      const row = select.get(key) as { readonly value: string } | undefined
      return row === undefined ? undefined : (JSON.parse(row.value) as Stored)
    },
    close: async () => database.close(),
  }
}

async function betterSqlite(directory: string, mode: "default" | "wal"): Promise<OpenStore> {
  const { default: Database } = (await importPeer("better-sqlite3")) as { default: new (path: string) => SqlDatabase }
  return sqlStore(new Database(join(directory, "lines.sqlite")), mode)
}

async function nodeSqlite(directory: string, mode: "default" | "wal"): Promise<OpenStore> {
  const { DatabaseSync } = await import("node:sqlite")
  return sqlStore(new DatabaseSync(join(directory, "lines.sqlite")), mode)
}

async function orrery(directory: string): Promise<OpenStore> {
  const { open } = await import("../src/index.ts")
  const store = await open(join(directory, "store"))
  const table = store.table<Stored>("lines")
  return {
    put: (key, value) => table.put(key, value),
    get: async (key) => table.get(key),
    close: () => store.close(),
  }
}

async function lmdb(directory: string): Promise<OpenStore> {
  interface Database {
    put(key: string, value: Stored): Promise<boolean>
    get(key: string): Stored | undefined
    close(): Promise<void>
  }
  const { open } = (await importPeer("lmdb")) as { open: (options: { path: string }) => Database }
  const database = open({ path: join(directory, "lmdb") })
  return {
    put: (key, value) => database.put(key, value),
    get: async (key) => database.get(key),
    close: () => database.close(),
  }
}

async function level(directory: string): Promise<OpenStore> {
  interface Database {
    open(): Promise<void>
    put(key: string, value: Stored): Promise<void>
    get(key: string): Promise<Stored | undefined>
    close(): Promise<void>
  }
  const { ClassicLevel } = (await importPeer("classic-level")) as {
    ClassicLevel: new (path: string, options: { valueEncoding: string }) => Database
  }
  const database = new ClassicLevel(join(directory, "level"), { valueEncoding: "json" })
  await database.open()
  return database
}

async function nedb(directory: string): Promise<OpenStore> {
  interface Database {
    loadDatabaseAsync(): Promise<void>
    insertAsync(document: object): Promise<unknown>
    findOneAsync(query: object): Promise<{ readonly value: Stored } | null>
  }
  const { default: Datastore } = (await importPeer("@seald-io/nedb")) as {
    default: new (options: { filename: string }) => Database
  }
  const database = new Datastore({ filename: join(directory, "lines.db") })
  await database.loadDatabaseAsync()
  return {
    put: (key, value) => database.insertAsync({ _id: key, value }),
    get: async (key) => (await database.findOneAsync({ _id: key }))?.value,
    close: async () => undefined,
  }
}

async function lowdb(directory: string): Promise<OpenStore> {
  type Data = Record<string, Stored>
  interface Database {
    readonly data: Data
    write(): Promise<void>
  }
  const { JSONFilePreset } = (await importPeer("lowdb/node")) as {
    JSONFilePreset: (path: string, initial: Data) => Promise<Database>
  }
  const database = await JSONFilePreset(join(directory, "lines.json"), {})
  return {
    put: (key, value) => {
      database.data[key] = value
      return database.write()
    },
    get: async (key) => database.data[key],
    close: async () => undefined,
  }
}

/** What one writes oneself: a line of JSON a record, awaited. */
async function jsonLines(directory: string): Promise<OpenStore> {
  const path = join(directory, "lines.jsonl")
  const found = new Map<string, Stored>()
  const text = await readFile(path, "utf8").catch(() => "")
  for (const line of text.split("\n").slice(0, -1)) {
    const [key, value] = JSON.parse(line) as [string, Stored]
    found.set(key, value)
  }
  return {
    put: (key, value) => appendFile(path, `${JSON.stringify([key, value])}\n`),
    get: async (key) => found.get(key),
    close: async () => undefined,
  }
}

const node = (): string => `Node ${process.versions.node}`
const sqlite = (): string => `SQLite ${process.versions["sqlite"] ?? ""}`

export const durabilityStores: Readonly<Record<string, DurabilityStore>> = {
  orrery: { settings: "defaults", version: () => "of this tree", open: orrery },
  lmdb: { settings: "defaults", version: () => versionOf("lmdb"), open: lmdb },
  "better-sqlite3": {
    settings: "defaults",
    version: () => versionOf("better-sqlite3"),
    open: (directory) => betterSqlite(directory, "default"),
  },
  "better-sqlite3-wal": {
    settings: "journal_mode = WAL, as its README recommends",
    version: () => versionOf("better-sqlite3"),
    open: (directory) => betterSqlite(directory, "wal"),
  },
  "node:sqlite": { settings: "defaults", version: sqlite, open: (directory) => nodeSqlite(directory, "default") },
  "node:sqlite-wal": {
    settings: "journal_mode = WAL",
    version: sqlite,
    open: (directory) => nodeSqlite(directory, "wal"),
  },
  "classic-level": { settings: "defaults", version: () => versionOf("classic-level"), open: level },
  nedb: { settings: "defaults", version: () => versionOf("@seald-io/nedb"), open: nedb },
  lowdb: { settings: "JSONFilePreset", version: () => versionOf("lowdb"), open: lowdb },
  "fs.appendFile": { settings: "a line of JSON a record", version: node, open: jsonLines },
}

/** The n-th record: about 120 bytes. */
export function storedAt(n: number): Stored {
  return { n, text: `${n} `.padEnd(100, "abcdefghij") }
}

export function keyOf(n: number): string {
  return `line/${n}`
}
