// The engine itself, in the source of this tree, with its default options.

import { readFileSync } from "node:fs"
// What the first open loads, loaded ahead: the rows measure the store, and `import` measures loading.
import "../../src/actors/engine.ts"
import { open } from "../../src/index.ts"
import type { OpenOptions, Store, TableHandle } from "../../src/index.ts"
import type { UserRecord } from "../workload.ts"
import type { Peer, PeerStore } from "./peer.ts"

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as { version: string }

/** The engine's store, for what only it can be asked. */
export class OrreryStore implements PeerStore {
  readonly store: Store
  readonly users: TableHandle<UserRecord>

  constructor(store: Store) {
    this.store = store
    this.users = store.table<UserRecord>("users")
  }

  put(key: string, value: UserRecord): Promise<unknown> {
    return this.users.put(key, value)
  }

  putMany(entries: readonly (readonly [string, UserRecord])[]): Promise<unknown> {
    return this.users.putMany(entries)
  }

  get(key: string): UserRecord | undefined {
    return this.users.get(key)
  }

  count(): number {
    return this.users.size
  }

  close(): Promise<void> {
    return this.store.close()
  }
}

export async function openOrrery(directory: string, options: OpenOptions = {}): Promise<OrreryStore> {
  return new OrreryStore(await open(directory, options))
}

export const peer: Peer = {
  title: `orrery-db ${manifest.version}`,
  durability: "synced: after the data sync",
  isAsynchronous: true,
  open: (directory) => openOrrery(directory),
}
