// lmdb-js with its own batching, shared structures, which its manual recommends for records, and otherwise its defaults.
// With these a put's promise resolves after the data sync (seen in its system calls).

import { join } from "node:path"
import type { UserRecord } from "../workload.ts"
import { importPeer, versionOf } from "./peer.ts"
import type { Peer, PeerStore } from "./peer.ts"

interface Database {
  put(key: string, value: UserRecord): Promise<boolean>
  get(key: string): UserRecord | undefined
  getKeysCount(): number
  close(): Promise<void>
}

interface LmdbModule {
  readonly open: (options: { readonly path: string; readonly sharedStructuresKey: symbol }) => Database
}

const lmdb = (await importPeer("lmdb")) as LmdbModule
const structuresKey = Symbol.for("structures")

class LmdbStore implements PeerStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  put(key: string, value: UserRecord): Promise<unknown> {
    return this.#database.put(key, value)
  }

  /** Puts of one turn share a transaction. */
  putMany(entries: readonly (readonly [string, UserRecord])[]): Promise<unknown> {
    let last: Promise<unknown> = Promise.resolve()
    for (const [key, value] of entries) last = this.#database.put(key, value)
    return last
  }

  get(key: string): UserRecord | undefined {
    return this.#database.get(key)
  }

  /** The entry of the shared structures is not among the keys. */
  count(): number {
    return this.#database.getKeysCount()
  }

  close(): Promise<void> {
    return this.#database.close()
  }
}

export const peer: Peer = {
  title: `lmdb ${versionOf("lmdb")}`,
  durability: "after the data sync (its default)",
  isAsynchronous: true,
  open: async (directory) =>
    new LmdbStore(lmdb.open({ path: join(directory, "lmdb"), sharedStructuresKey: structuresKey })),
}
