// A plain Map of objects: what an application has that keeps its state in memory and loses it with the process.

import type { UserRecord } from "../workload.ts"
import type { Peer, PeerStore } from "./peer.ts"

const done = Promise.resolve()

class MapStore implements PeerStore {
  readonly #map = new Map<string, UserRecord>()

  put(key: string, value: UserRecord): Promise<unknown> {
    this.#map.set(key, value)
    return done
  }

  putMany(entries: readonly (readonly [string, UserRecord])[]): Promise<unknown> {
    for (const [key, value] of entries) this.#map.set(key, value)
    return done
  }

  get(key: string): UserRecord | undefined {
    return this.#map.get(key)
  }

  count(): number {
    return this.#map.size
  }

  async close(): Promise<void> {
    this.#map.clear()
  }
}

export const peer: Peer = {
  title: "Map",
  durability: "never: memory only",
  isAsynchronous: false,
  open: async () => new MapStore(),
}
