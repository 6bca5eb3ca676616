// A store that is opened from a large checkpoint is there before its records are in their indexes: nobody can tell, but by
// the metric, and the rest is entered in the background.

import { isDeepStrictEqual } from "node:util"
import { beforeAll, describe, expect, test } from "vitest"
import type { OpenOptions, Store, TableHandle } from "../../src/index.ts"
import { open } from "../../src/index.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "../property/store-history.ts"
import { copyOfDisk, DIRECTORY } from "../recovery/reference-store.ts"

const COUNT = 40_000
/** How many keys the log behind the checkpoint changes: few, because it has their ranges entered. One more is deleted. */
const CHANGED = 1

interface Value {
  readonly n: number
  readonly text: string
}

const valueOf = (n: number): Value => ({ n, text: `value ${n}` })
const keyOf = (n: number): string => `key:${n}`

let files: ReadonlyMap<string, Uint8Array>

/** A store on a disk of its own with these files, before any time has passed: only turns. */
class Opened {
  readonly platform: SimulatedPlatform
  readonly store: Store
  readonly table: TableHandle<Value>

  private constructor(platform: SimulatedPlatform, store: Store) {
    this.platform = platform
    this.store = store
    this.table = store.table<Value>("t")
  }

  static async from(options: OpenOptions = {}): Promise<Opened> {
    const platform = simulatePlatform({ seed: 1, disk: await copyOfDisk(files) })
    const opening = open(DIRECTORY, { platform, shards: 4, checkpoint: false, ...options })
    const opened = new Opened(platform, await opening)
    expect(opened.deferred).toBeGreaterThan(COUNT / 2)
    return opened
  }

  get deferred(): number {
    return this.store.metrics().tables.deferredRecords
  }

  done<T>(work: Promise<T>): Promise<T> {
    return untilSettled(this.platform, work)
  }

  /** Lets time pass in which the rest is entered. */
  async rest(): Promise<void> {
    for (let round = 0; round < 1000 && this.deferred > 0; round++) this.platform.clock.advance(1)
    expect(this.deferred).toBe(0)
  }

  /** All that must be there. */
  check(): void {
    expect(this.table.size).toBe(COUNT - 1)
    let count = 0
    for (const [key, value] of this.table) {
      const n = Number(key.slice(4))
      if (n === CHANGED || !isDeepStrictEqual(value, valueOf(n))) throw new Error(`${key} is not what was put`)
      count++
    }
    expect(count).toBe(COUNT - 1)
  }
}

beforeAll(async () => {
  const platform = simulatePlatform({ seed: 1, disk: new SimulatedDisk() })
  const done = <T>(work: Promise<T>): Promise<T> => untilSettled(platform, work)
  const store = await done(open(DIRECTORY, { platform, shards: 4, checkpoint: false }))
  const table = store.table<Value>("t")
  const before = (n: number): Value => (n < CHANGED ? { n, text: "before" } : valueOf(n))
  await done(table.putMany(Array.from({ length: COUNT }, (_, n) => [keyOf(n), before(n)] as const)))
  await done(store.checkpoint())
  for (let n = 0; n < CHANGED; n++) await done(table.put(keyOf(n), valueOf(n)))
  await done(table.delete(keyOf(CHANGED)))
  await done(store.close())
  files = platform.fileSystem.files()
})

describe("a store that is opened from a large checkpoint", () => {
  test("answers at once, and enters the rest in the background", async () => {
    const opened = await Opened.from()
    expect(opened.table.size).toBe(COUNT - 1)
    expect(opened.table.get(keyOf(COUNT - 1))).toEqual(valueOf(COUNT - 1))
    expect(opened.table.get(keyOf(0))).toEqual(valueOf(0))
    expect(opened.table.get(keyOf(CHANGED))).toBeUndefined()
    expect(opened.table.get("none")).toBeUndefined()
    const before = opened.deferred
    opened.platform.clock.advance(1)
    // A step a turn of the loop, however many shards there are.
    expect(opened.deferred).toBeGreaterThan(before - COUNT / 2)
    await opened.rest()
    opened.check()
    await opened.done(opened.store.close())
  })

  test("is walked, counted and compared as if all had been there", async () => {
    const opened = await Opened.from()
    const { records, liveBytes, allocatedBytes } = opened.store.metrics().tables
    opened.check()
    expect(opened.deferred).toBe(0)
    expect(opened.store.metrics().tables).toMatchObject({ records, liveBytes, allocatedBytes })
    await opened.done(opened.store.close())
  })

  test("takes snapshots and transactions whose sizes hold while it is changed and entered", async () => {
    const opened = await Opened.from()
    const { table, store } = opened
    using snapshot = store.snapshot()
    await opened.done(table.delete(keyOf(200)))
    await opened.done(table.put("new", valueOf(0)))
    expect(snapshot.table("t").size).toBe(COUNT - 1)
    let tries = 0
    const counted = store.transact(async (tx) => {
      const before = tx.size(table)
      if (tries++ === 0) await table.put("newer", valueOf(0))
      tx.put(table, "newest", valueOf(before))
      return [before, tx.size(table)]
    })
    // The first try counted, and another key came: it was made anew.
    expect(await opened.done(counted)).toMatchObject({ value: [COUNT, COUNT + 1] })
    expect(tries).toBe(2)
    await opened.rest()
    expect(snapshot.table("t").size).toBe(COUNT - 1)
    expect(snapshot.table("t").get(keyOf(200))).toEqual(valueOf(200))
    expect([...snapshot.table("t").keys()]).toHaveLength(COUNT - 1)
    await opened.done(store.close())
  })

  test("loses nothing where a shard dies before all is entered", async () => {
    for (const index of [0, 2]) {
      const opened = await Opened.from()
      await opened.done(opened.store.killActor(`store/shards/shard-${index}`, new Error("killed")))
      await opened.done(opened.store.ready())
      await opened.rest()
      opened.check()
      await opened.done(opened.store.close())
    }
  })

  test("has a checkpoint made, is closed and opened with another number of shards before all is entered", async () => {
    const opened = await Opened.from()
    await opened.done(opened.table.put("new", valueOf(0)))
    await opened.done(opened.store.checkpoint())
    await opened.done(opened.store.close())
    const again = await opened.done(open(DIRECTORY, { platform: opened.platform, shards: 7, checkpoint: false }))
    expect(again.table("t").size).toBe(COUNT)
    expect(again.table("t").get("new")).toEqual(valueOf(0))
    for (let n = 0; n < COUNT; n += 997) expect(again.table("t").get(keyOf(n))).toEqual(valueOf(n))
    await opened.done(again.close())
  })
})
