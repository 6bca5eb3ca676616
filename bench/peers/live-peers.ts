// Libraries that keep a ranked result up to date, each loaded on demand, by the shortest way from a change to its result
// that it has: no persistence, no optimistic writes where it can do without.

import { keyOf } from "../workload.ts"
import type { UserRecord } from "../workload.ts"
import { PeerUnavailable } from "./peer-list.ts"
import type { Sync } from "@tanstack/db"

export interface LivePeer {
  /** Applies a change; afterwards `result` is that of it. */
  change(record: UserRecord): void | Promise<void>
  /** The keys of the first rows. */
  result(): string[]
  readonly note: string
}

type Make = (records: readonly UserRecord[], limit: number) => Promise<LivePeer>

const makers: Readonly<Record<string, Make>> = { rxdb, tinybase, tanstack }

/** Fails with: PeerUnavailable. */
export async function loadLivePeer(name: string, records: readonly UserRecord[], limit: number): Promise<LivePeer> {
  const make = makers[name]
  if (make === undefined) throw new TypeError(`there is no peer "${name}"`)
  try {
    return await make(records, limit)
  } catch (error) {
    const { code } = error as { readonly code?: string }
    if (code !== "ERR_MODULE_NOT_FOUND") throw error
    throw new PeerUnavailable("it is not installed in bench/node_modules", { cause: error })
  }
}

async function tinybase(records: readonly UserRecord[], limit: number): Promise<LivePeer> {
  const { createStore } = await import("tinybase")
  const store = createStore()
  store.transaction(() => {
    for (const record of records) store.setRow("users", keyOf(record.id), { ...record })
  })
  let keys: string[] = []
  store.addSortedRowIdsListener(
    "users",
    "score",
    true,
    0,
    limit,
    (_store, _table, _cell, _descending, _offset, _limit, ids) => {
      keys = ids
    },
  )
  keys = store.getSortedRowIds("users", "score", true, 0, limit)
  return {
    change: (record) => {
      store.setRow("users", keyOf(record.id), { ...record })
    },
    result: () => keys,
    note: "TinyBase: addSortedRowIdsListener, one setRow a change.",
  }
}

async function tanstack(records: readonly UserRecord[], limit: number): Promise<LivePeer> {
  const { BTreeIndex, createCollection, createLiveQueryCollection } = await import("@tanstack/db")
  let sync: Sync<UserRecord> | undefined
  const users = createCollection<UserRecord, string>({
    id: "users",
    getKey: ({ id }) => keyOf(id),
    autoIndex: "eager",
    defaultIndexType: BTreeIndex,
    startSync: true,
    sync: {
      sync: (given) => {
        sync = given
        sync.begin()
        for (const value of records) sync.write({ type: "insert", value })
        sync.commit()
        sync.markReady()
      },
    },
  })
  const query = createLiveQueryCollection<UserRecord>({
    startSync: true,
    query: (q) =>
      q
        .from({ user: users })
        .orderBy(({ user }) => user.score, "desc")
        .limit(limit),
  })
  await query.preload()
  return {
    change: (value) => {
      sync?.begin()
      sync?.write({ type: "update", value })
      sync?.commit()
    },
    result: () => query.toArray.map(({ id }) => keyOf(id)),
    note: "TanStack DB: changes as from a server (begin, write, commit), with a B-tree index on the number.",
  }
}

async function rxdb(records: readonly UserRecord[], limit: number): Promise<LivePeer> {
  const { createRxDatabase } = await import("rxdb/plugins/core")
  const { getRxStorageMemory } = await import("rxdb/plugins/storage-memory")
  const database = await createRxDatabase({
    name: "live",
    storage: getRxStorageMemory(),
    multiInstance: false,
    eventReduce: true,
  })
  const number = { type: "number", minimum: 0, maximum: 1_000_000_000, multipleOf: 0.125 } as const
  const schema = {
    version: 0,
    primaryKey: "key",
    type: "object",
    properties: {
      key: { type: "string", maxLength: 20 },
      id: { type: "number" },
      name: { type: "string" },
      email: { type: "string" },
      age: { type: "number" },
      score: number,
      active: { type: "boolean" },
      ts: { type: "number" },
    },
    required: ["key", "score"],
    indexes: ["score"],
  } as const
  const { users } = await database.addCollections({ users: { schema } })
  if (users === undefined) throw new Error("the collection was not made")
  const documentOf = (record: UserRecord): UserRecord & { readonly key: string } => ({
    key: keyOf(record.id),
    ...record,
  })
  await users.bulkInsert(records.map(documentOf))
  let keys: string[] = []
  const query = users.find({ selector: {}, sort: [{ score: "desc" }, { key: "asc" }], limit })
  await new Promise<void>((resolve) => {
    query.$.subscribe((documents: readonly { readonly key: string }[]) => {
      keys = documents.map(({ key }) => key)
      resolve()
    })
  })
  return {
    change: async (record) => {
      await users.upsert(documentOf(record))
      keys = ((await query.exec()) as readonly { readonly key: string }[]).map(({ key }) => key)
    },
    result: () => keys,
    note: "RxDB: memory storage, an index on the number, one upsert a change, the result read from the query.",
  }
}
