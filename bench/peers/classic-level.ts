// LevelDB through classic-level, values as JSON. Every write asks for a sync, which LevelDB does not by itself.

import { join } from "node:path"
import type { UserRecord } from "../workload.ts"
import { importPeer, versionOf } from "./peer.ts"
import type { Peer, PeerStore } from "./peer.ts"

interface Database {
  open(): Promise<void>
  put(key: string, value: UserRecord, options: { readonly sync: boolean }): Promise<void>
  batch(
    operations: readonly { readonly type: "put"; readonly key: string; readonly value: UserRecord }[],
    options: { readonly sync: boolean },
  ): Promise<void>
  getSync(key: string): UserRecord | undefined
  keys(): AsyncIterable<string>
  close(): Promise<void>
}

interface LevelModule {
  readonly ClassicLevel: new (path: string, options: { readonly valueEncoding: string }) => Database
}

const { ClassicLevel } = (await importPeer("classic-level")) as LevelModule
const synced = { sync: true }

class LevelStore implements PeerStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  put(key: string, value: UserRecord): Promise<unknown> {
    return this.#database.put(key, value, synced)
  }

  putMany(entries: readonly (readonly [string, UserRecord])[]): Promise<unknown> {
    return this.#database.batch(
      entries.map(([key, value]) => ({ type: "put", key, value })),
      synced,
    )
  }

  get(key: string): UserRecord | undefined {
    return this.#database.getSync(key)
  }

  async count(): Promise<number> {
    let count = 0
    for await (const key of this.#database.keys()) if (key !== "") count++
    return count
  }

  close(): Promise<void> {
    return this.#database.close()
  }
}

export const peer: Peer = {
  title: `classic-level ${versionOf("classic-level")}`,
  durability: "after the data sync (sync: true)",
  isAsynchronous: true,
  async open(directory) {
    const database = new ClassicLevel(join(directory, "level"), { valueEncoding: "json" })
    await database.open()
    return new LevelStore(database)
  },
}
