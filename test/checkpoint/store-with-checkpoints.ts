// A store on the simulated disk that has made checkpoints, and what must be in it.

import { open } from "../../src/index.ts"
import type { OpenOptions, Store } from "../../src/index.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { contentOf, differences, untilSettled } from "../property/store-history.ts"
import type { Entry, Model } from "../property/store-history.ts"

export class CheckpointedStore {
  readonly model: Model = new Map()
  readonly platform: SimulatedPlatform
  readonly store: Store
  #n = 0

  private constructor(platform: SimulatedPlatform, store: Store) {
    this.platform = platform
    this.store = store
  }

  static async open(
    options: OpenOptions = {},
    disk: SimulatedDisk = new SimulatedDisk(),
    seed = 1,
  ): Promise<CheckpointedStore> {
    const platform = simulatePlatform({ seed, disk })
    return new CheckpointedStore(platform, await openOn(disk, options, platform))
  }

  /** Rounds of some writes and a checkpoint, and some more writes. */
  static async make(rounds: number, options: OpenOptions = {}): Promise<CheckpointedStore> {
    const made = await CheckpointedStore.open(options)
    for (let round = 0; round < rounds; round++) {
      await made.write(12)
      await made.settled(made.store.checkpoint())
    }
    await made.write(4)
    return made
  }

  get disk(): SimulatedDisk {
    return this.platform.fileSystem
  }

  /** Acknowledged puts and deletes, of a few keys again and again. */
  async write(count: number, padSize = 300): Promise<void> {
    for (let i = 0; i < count; i++) {
      const n = ++this.#n
      const table = `t${n % 2}`
      const key = `key ${n % 9}`
      const handle = this.store.table<Entry>(table)
      const pad = "p".repeat(padSize)
      await this.settled(n % 7 === 0 ? handle.delete(key) : handle.put(key, { n, pad }))
      if (n % 7 === 0) this.model.delete(`${table}/${key}`)
      else this.model.set(`${table}/${key}`, n)
    }
  }

  settled<T>(work: Promise<T>): Promise<T> {
    return untilSettled(this.platform, work)
  }

  async close(): Promise<ReadonlyMap<string, Uint8Array>> {
    await this.settled(this.store.close())
    return this.disk.files()
  }

  /** What the store has too much, too little or wrong. */
  problems(store: Store = this.store): string[] {
    return differences(contentOf(store), this.model)
  }
}

export function openOn(
  disk: SimulatedDisk,
  options: OpenOptions = {},
  platform: SimulatedPlatform = simulatePlatform({ seed: 2, disk }),
): Promise<Store> {
  return open("/data", { platform, shards: 3, segmentBytes: 4096, checkpoint: false, ...options })
}

/** Numbers of the checkpoints that have a file, oldest first. */
export function checkpointsIn(files: ReadonlyMap<string, Uint8Array>): number[] {
  return [...files.keys()]
    .flatMap((path) => {
      const number = /checkpoint-(\d{10})$/.exec(path)?.[1]
      return number === undefined ? [] : [Number(number)]
    })
    .sort((a, b) => a - b)
}
