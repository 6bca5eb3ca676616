// What subscribers of a store may ask for: a state first, the values before, commits before they are durable.

import { describe, expect, expectTypeOf, test } from "vitest"
import { AppliedCommitsLost, CursorExpired, CursorRefused, open, toTable } from "../../src/index.ts"
import type { Change, ChangeStream, Commit, Store, TableChangesOptions } from "../../src/index.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import { openStore, untilSettled } from "../property/store-history.ts"
import { readSome } from "../streams/feed-scene.ts"
import { temporaryDirectory, temporaryStore } from "./temporary-store.ts"

const MEMORY = { durability: "memory" } as const

function entriesOf(commits: readonly Commit[]): [string, unknown][] {
  return commits.flatMap(({ changes }) => changes.map(({ key, value }): [string, unknown] => [key, value]))
}

/** The pieces of the state that a stream begins with. */
/** What is written next is lost, as where the kernel drops the pages of a failed sync. */
function failNextSync(disk: SimulatedDisk): void {
  const operation = disk.operationCount + 1
  disk.faults.add({ operation, error: "EIO", when: "dropping-dirty-pages", only: ["writeSynced", "dataSync"] })
}

/** A store on a simulated disk with one durable commit, and the LSN of that. */
async function storeWithOneKept() {
  const disk = new SimulatedDisk({ keepsTrace: false })
  const platform = simulatePlatform({ seed: 1, disk })
  const store = await untilSettled(platform, openStore(platform, 65_536))
  const table = store.table<number>("t")
  await untilSettled(platform, table.put("kept", 1))
  return { disk, platform, store, table, kept: store.metrics().log.durableLsn }
}

async function stateOf(stream: AsyncIterable<Commit>): Promise<Commit[]> {
  const pieces: Commit[] = []
  const iterator = stream[Symbol.asyncIterator]()
  for (;;) {
    const { value } = await iterator.next()
    if (value === undefined) throw new Error("the stream ended within the state")
    pieces.push(value)
    if (value.state?.isLast === true) return pieces
  }
}

describe("a state first", () => {
  test("comes in pieces, whole at one LSN, and the commits behind it follow without a gap", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    await table.putMany(Array.from({ length: 3_000 }, (_, n) => [`k${n}`, n] as const))
    await table.delete("k7")
    await store.table("other").put("k1", -1)
    const stream = table.changes({ snapshot: true })
    const iterator = stream[Symbol.asyncIterator]()
    const first = (await iterator.next()).value as Commit<number>
    // Neither belongs to the state any more.
    await table.put("k1", -1)
    await table.delete("k2")
    const pieces = [first, ...((await stateOf(stream)) as Commit<number>[])]
    expect(pieces.map(({ changes }) => changes.length)).toEqual([1_024, 1_024, 951])
    expect(pieces.map(({ state }) => state)).toEqual([
      { isFirst: true, isLast: false },
      { isFirst: false, isLast: false },
      { isFirst: false, isLast: true },
    ])
    expect(new Map(entriesOf(pieces))).toEqual(
      new Map(Array.from({ length: 3_000 }, (_, n): [string, number] => [`k${n}`, n]).filter(([key]) => key !== "k7")),
    )
    expect(new Set(pieces.map(({ lsn }) => lsn)).size).toBe(1)
    const live = await readSome(stream, 2)
    expect(entriesOf(live)).toEqual([
      ["k1", -1],
      ["k2", undefined],
    ])
    expect(live.map(({ state }) => state)).toEqual([undefined, undefined])
    stream.close()
  })

  test("of an empty table is one empty piece, so that everybody knows that it was there", async () => {
    const store = await temporaryStore()
    const stream = store.table("t").changes({ snapshot: true })
    const [piece] = await readSome(stream, 1)
    expect(piece).toMatchObject({
      changes: [],
      state: { isFirst: true, isLast: true },
      lsn: store.metrics().log.lastLsn,
    })
  })

  test("keys, prefixes and types mean the same in the state as behind it", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    await table.putMany([
      ["a1", 1],
      ["a2", 2],
      ["b1", 3],
    ])
    const stateWith = async (options: TableChangesOptions): Promise<unknown[]> => {
      const entries = entriesOf(await stateOf(table.changes({ snapshot: true, ...options })))
      return entries.sort(([left], [right]) => left.localeCompare(right))
    }
    expect(await stateWith({ prefix: "a" })).toEqual([
      ["a1", 1],
      ["a2", 2],
    ])
    expect(await stateWith({ keys: ["b1", "absent"] })).toEqual([["b1", 3]])
    expect(await stateWith({ types: ["put"] })).toHaveLength(3)
    expect(await stateWith({ types: ["delete"] })).toEqual([])
    expect(entriesOf(await stateOf(store.changes({ snapshot: true })))).toHaveLength(3)
  })

  test("each value has the LSN of the commit that wrote it", async () => {
    const store = await temporaryStore()
    const { lsn } = await store.table("t").put("k", 1)
    await store.table("t").put("other", 1)
    const [piece] = await stateOf(store.table("t").changes({ snapshot: true, keys: ["k"] }))
    expect(piece?.changes[0]?.lsn).toBe(lsn)
  })

  test("is not shown before it is durable", async () => {
    const disk = new SimulatedDisk({ keepsTrace: false })
    const platform = simulatePlatform({ seed: 1, disk })
    const store = await untilSettled(platform, openStore(platform, 65_536))
    const { lsn } = await store.table("t").put("k", 1, MEMORY)
    expect(store.metrics().log.durableLsn).toBeLessThan(lsn)
    const stream = store.changes({ snapshot: true })
    const [piece] = await untilSettled(platform, readSome(stream, 1))
    expect(piece?.lsn).toBe(lsn)
    expect(store.metrics().log.durableLsn).toBe(lsn)
    await untilSettled(platform, store.close())
  })

  test("whoever goes on from a cursor gets none, unless the log has gone on without him", async () => {
    const store = await temporaryStore({ segmentBytes: 4096, keep: { checkpoints: 1 } })
    const table = store.table<number>("t")
    await table.put("k", 0)
    const [piece] = await readSome(table.changes({ snapshot: true }), 1)
    const after = piece?.cursor ?? ""
    await table.put("k", 1)
    const [resumed] = await readSome(table.changes({ snapshot: true, after }), 1)
    expect([resumed?.state, resumed?.changes[0]?.value]).toEqual([undefined, 1])
    for (let n = 0; n < 200; n++) await table.put("k", n, MEMORY)
    await store.checkpoint()
    const [anew] = await readSome(table.changes({ snapshot: true, after }), 1)
    expect([anew?.state, anew?.changes[0]?.value]).toEqual([{ isFirst: true, isLast: true }, 199])
    await expect(readSome(table.changes({ after }), 1)).rejects.toThrow(CursorExpired)
  })

  test("a cursor from the middle of a state leads to the state anew, and is refused by who did not ask for one", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    await table.putMany(Array.from({ length: 2_000 }, (_, n) => [`k${n}`, n] as const))
    const stream = table.changes({ snapshot: true })
    const [piece] = await readSome(stream, 1)
    const after = piece?.cursor ?? ""
    expect(stream.cursor).toBe(after)
    expect(entriesOf(await stateOf(table.changes({ snapshot: true, after })))).toHaveLength(2_000)
    expect(() => table.changes({ after })).toThrow(CursorRefused)
  })

  test("who asks ahead while the state ends gets the commits behind it in the order in which he asked", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const iterator = table.changes({ snapshot: true })[Symbol.asyncIterator]()
    const [state, first] = [iterator.next(), iterator.next()]
    expect((await state).value?.state).toEqual({ isFirst: true, isLast: true })
    const second = iterator.next()
    await table.put("a", 1)
    await table.put("b", 2)
    const keys = [await first, await second].map(({ value }) => value?.changes.map(({ key }) => key))
    expect(keys).toEqual([["a"], ["b"]])
    await iterator.return?.()
  })

  test("one that is left in the middle keeps nothing", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    await table.putMany(Array.from({ length: 3_000 }, (_, n) => [`k${n}`, n] as const))
    for await (const piece of table.changes({ snapshot: true })) {
      expect(piece.changes).toHaveLength(1_024)
      break
    }
    await table.putMany(Array.from({ length: 3_000 }, (_, n) => [`k${n}`, -n] as const))
    expect(store.metrics().tables.versionBytes).toBe(0)
  })
})

describe("the value before", () => {
  test("is there for every change, live and within one commit", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    await table.put("a", 1)
    const stream = table.changes({ before: true })
    const reading = readSome(stream, 3)
    await table.put("a", 2)
    await store.batch((batch) => {
      batch.put(table, "a", 3)
      batch.put(table, "b", 1)
      batch.delete(table, "a")
      batch.put(table, "a", 4)
    })
    await table.delete("b")
    const told = (await reading).flatMap(({ changes }) => changes.map(({ key, before, value }) => [key, before, value]))
    expect(told).toEqual([
      ["a", 1, 2],
      ["a", 2, 3],
      ["b", undefined, 1],
      ["a", 3, undefined],
      ["a", undefined, 4],
      ["b", 1, undefined],
    ])
  })

  test("is exact from any position in the past, and puts alone see what deletes have left", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const { lsn } = await table.put("a", 1)
    await table.put("a", 2)
    await table.delete("a")
    await table.put("a", 3)
    const beforeOf = async (after: number): Promise<unknown[]> => {
      const commits = await readSome(table.changes({ before: true, after, types: ["put"] }), after === 0 ? 3 : 2)
      return commits.flatMap(({ changes }) => changes.map(({ before, value }) => [before, value]))
    }
    expect(await beforeOf(0)).toEqual([
      [undefined, 1],
      [1, 2],
      [undefined, 3],
    ])
    expect(await beforeOf(lsn)).toEqual([
      [1, 2],
      [undefined, 3],
    ])
  })

  test("survives that the snapshot which it stands on is given up", async () => {
    const store = await temporaryStore({ snapshots: { bytes: 1 } })
    const table = store.table<string>("t")
    await table.put("k", "first")
    const stream = table.changes({ before: true })
    const reading = readSome(stream, 3)
    await table.put("other", "x")
    await table.put("other", "y")
    await table.put("k", "second")
    const told = (await reading).flatMap(({ changes }) => changes.map(({ key, before }) => [key, before]))
    expect(told).toEqual([
      ["other", undefined],
      ["other", "x"],
      ["k", "first"],
    ])
    expect(store.metrics().snapshots.expired).toBeGreaterThan(0)
  })

  test("stays exact over many changes of few keys, for a reader who is behind when newer states are taken", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    const stream = table.changes({ before: true })
    const first = readSome(stream, 1)
    for (let n = 0; n < 3_000; n++) await table.put(`k${n % 3}`, n, MEMORY)
    await store.flush()
    const told = [...(await first), ...(await readSome(stream, 2_999))].map(({ changes }) => changes[0]?.before)
    expect(told).toEqual(Array.from({ length: 3_000 }, (_, n) => (n < 3 ? undefined : n - 3)))
    stream.close()
    await table.put("k0", 0)
    expect(store.metrics().tables.versionBytes).toBe(0)
  })

  test("a stream that waits keeps no old versions from being released", async () => {
    const disk = new SimulatedDisk({ keepsTrace: false })
    const platform = simulatePlatform({ seed: 1, disk })
    const store = await untilSettled(platform, openStore(platform, 65_536))
    const table = store.table<string>("t")
    await untilSettled(platform, table.put("k", "x".repeat(1_000)))
    const stream = store.table("quiet").changes({ before: true })
    const reading = readSome(stream, 1)
    for (let n = 0; n < 20; n++) {
      await untilSettled(platform, table.put("k", "x".repeat(1_000)))
      platform.clock.advance(500)
      await untilSettled(platform, store.flush())
      platform.clock.advance(500)
    }
    expect(store.metrics().tables.versionBytes).toBeLessThan(3_000)
    await untilSettled(platform, store.table("quiet").put("q", 1))
    expect((await untilSettled(platform, reading))[0]?.changes).toMatchObject([{ key: "q", before: undefined }])
    await untilSettled(platform, store.close())
  })
})

describe("before they are durable", () => {
  const opened = async (): Promise<{ store: Store; platform: ReturnType<typeof simulatePlatform> }> => {
    const disk = new SimulatedDisk({ keepsTrace: false })
    const platform = simulatePlatform({ seed: 1, disk })
    return { store: await untilSettled(platform, openStore(platform, 65_536)), platform }
  }

  test("commits come on the turn that made them, whole and in order, long before their sync", async () => {
    const { store, platform } = await opened()
    const table = store.table<number>("t")
    const got: number[] = []
    const durable: number[] = []
    store
      .changes({ visibility: "applied" })
      .observable()
      .subscribe(({ lsn }) => got.push(lsn))
    store
      .changes()
      .observable()
      .subscribe(({ lsn }) => durable.push(lsn))
    const lsns: number[] = []
    for (let n = 0; n < 5; n++) lsns.push((await table.put("k", n, MEMORY)).lsn)
    expect(got).toEqual(lsns)
    expect(durable).toEqual([])
    await untilSettled(platform, store.flush())
    await untilSettled(platform, store.close())
    expect(durable).toEqual(lsns)
  })

  test("a slow reader gets the rest from the log and from what is not in it yet", async () => {
    const { store, platform } = await opened()
    const table = store.table<number>("t")
    const stream = table.changes({ visibility: "applied", bufferCommits: 2 })
    const first = readSome(stream, 1)
    for (let n = 0; n < 10; n++) await table.put("k", n, MEMORY)
    await untilSettled(platform, store.flush())
    for (let n = 10; n < 20; n++) await table.put("k", n, MEMORY)
    await first
    const rest = await untilSettled(platform, readSome(stream, 19))
    expect(entriesOf(rest).map(([, value]) => value)).toEqual(Array.from({ length: 19 }, (_, n) => n + 1))
    await untilSettled(platform, store.close())
  })

  test("a killed log writer takes nothing back, and the stream goes on", async () => {
    const { store, platform } = await opened()
    const table = store.table<number>("t")
    const stream = table.changes({ visibility: "applied" })
    const reading = readSome(stream, 2)
    await table.put("k", 1, MEMORY)
    await untilSettled(platform, store.killActor("store/log/wal-writer", new Error("test")))
    await untilSettled(platform, store.ready())
    await table.put("k", 2, MEMORY)
    expect(entriesOf(await untilSettled(platform, reading)).map(([, value]) => value)).toEqual([1, 2])
    await untilSettled(platform, store.close())
  })

  test("who has got what a failed log takes back is told, and who has not goes on without it", async () => {
    const { disk, platform, store, table, kept } = await storeWithOneKept()
    const fast = table.changes({ visibility: "applied" })
    const other = store.table("u").changes({ visibility: "applied" })
    const fastReading = readSome(fast, 2).then(undefined, (error: unknown) => error)
    const otherReading = readSome(other, 1)
    failNextSync(disk)
    const lost = table.put("lost", 1).catch((error: unknown) => error)
    await untilSettled(platform, lost)
    await untilSettled(platform, store.ready())
    await untilSettled(platform, table.put("later", 1))
    const failure = await untilSettled(platform, fastReading)
    expect(failure).toBeInstanceOf(AppliedCommitsLost)
    expect(failure).toMatchObject({ keptLsn: expect.any(Number), deliveredLsn: kept + 1 })
    await untilSettled(platform, store.table("u").put("k", 2))
    expect(entriesOf(await untilSettled(platform, otherReading))).toEqual([["k", 2]])
    await untilSettled(platform, store.close())
  })

  test("a cursor behind commits that the log took back is refused, or leads to the state anew", async () => {
    const { disk, platform, store, table, kept } = await storeWithOneKept()
    const stream = table.changes({ visibility: "applied" })
    const reading = readSome(stream, 1)
    failNextSync(disk)
    const lost = table.put("lost", 1).catch((error: unknown) => error)
    const [commit] = await reading
    const after = commit?.cursor ?? ""
    expect(commit?.lsn).toBe(kept + 1)
    // Left before the log fails, and taken up before it is there again, and behind that.
    stream.close()
    const early = readSome(table.changes({ visibility: "applied", after }), 1).catch((error: unknown) => error)
    const unseen = readSome(table.changes({ visibility: "applied" }), 1)
    await untilSettled(platform, lost)
    await untilSettled(platform, store.ready())
    expect(() => table.changes({ visibility: "applied", after })).toThrow(AppliedCommitsLost)
    expect(() => table.changes({ after })).toThrow(AppliedCommitsLost)
    expect(() => table.changes({ after: kept + 1 })).toThrow(AppliedCommitsLost)
    for (const visibility of ["applied", "durable"] as const) {
      const [state] = await untilSettled(platform, readSome(table.changes({ visibility, after, snapshot: true }), 1))
      expect(state?.state).toEqual({ isFirst: true, isLast: true })
      expect(entriesOf(state === undefined ? [] : [state])).toEqual([["kept", 1]])
    }
    await untilSettled(platform, table.put("later", 1))
    expect(await untilSettled(platform, early)).toMatchObject({
      code: "ORRERY_APPLIED_COMMITS_LOST",
      deliveredLsn: kept + 1,
    })
    expect(entriesOf(await untilSettled(platform, unseen))).toEqual([["later", 1]])
    const going = table.changes({ after: kept })
    expect(entriesOf(await untilSettled(platform, readSome(going, 1)))).toEqual([["later", 1]])
    await untilSettled(platform, store.close())
  })

  test("an observer that writes whenever it is told does not keep others from their turn", async () => {
    const store = await temporaryStore()
    const table = store.table<number>("t")
    let count = 0
    store
      .changes({ visibility: "applied" })
      .observable()
      .subscribe(() => {
        if (count++ < 200) void table.put("k", count, MEMORY)
      })
    void table.put("k", 0, MEMORY)
    await expect.poll(() => count, { timeout: 20_000 }).toBe(201)
  })
})

describe("cursors", () => {
  test("lead on in another life of the store, in a follower and in a backup, and not in another store", async () => {
    const path = `${await temporaryDirectory()}/store`
    const first = await open(path)
    await first.table("t").put("a", 1)
    const [commit] = await readSome(first.changes({ after: "beginning" }), 1)
    const after = commit?.cursor ?? ""
    await first.table("t").put("b", 2)
    const backup = `${await temporaryDirectory()}/backup`
    await first.close()
    await using store = await open(path)
    const follower = await open(path, { readOnly: true, follow: true, lookMs: 2 })
    expect(entriesOf(await readSome(store.changes({ after }), 1))).toEqual([["b", 2]])
    expect(entriesOf(await readSome(follower.changes({ after }), 1))).toEqual([["b", 2]])
    expect(() => follower.changes({ snapshot: true })).toThrow("open for writing alone")
    await follower.close()
    const end = store.changes().cursor
    await store.backup(backup)
    await using copy = await open(backup)
    await copy.table("t").put("c", 3)
    expect(entriesOf(await readSome(copy.changes({ after: end }), 1))).toEqual([["c", 3]])
    const [, later] = await Promise.all([store.table("t").put("d", 4), readSome(store.changes(), 1)])
    await store.table("t").put("e", 5)
    const ahead = (await readSome(store.changes({ after: later[0]?.cursor }), 1))[0]?.cursor
    expect(() => copy.changes({ after: ahead })).toThrow("is ahead of the store")
    const other = await temporaryStore()
    expect(() => other.changes({ after })).toThrow(CursorRefused)
  })
})

test("types flow from the table to the values of its changes", async () => {
  const store = await temporaryStore()
  const users = store.table<{ name: string }>("users")
  expectTypeOf(users.changes()).toEqualTypeOf<ChangeStream<{ name: string }>>()
  expectTypeOf(store.changes()).toEqualTypeOf<ChangeStream>()
  const [commit] = await stateOf(users.changes({ snapshot: true }))
  expect(commit?.changes).toEqual([])
  expectTypeOf<Commit<{ name: string }>["changes"][number]>().toEqualTypeOf<Change<{ name: string }>>()
  expectTypeOf<Change<{ name: string }>["before"]>().toEqualTypeOf<{ name: string } | undefined>()
  const tables: ReadonlyMap<string, { name: string }>[] = []
  users
    .changes({ snapshot: true })
    .observable()
    .pipe(toTable())
    .subscribe((table) => tables.push(table))
  await users.put("ada", { name: "Ada" })
  await expect.poll(() => tables.at(-1)?.get("ada")?.name).toBe("Ada")
})
