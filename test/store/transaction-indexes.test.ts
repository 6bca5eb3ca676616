// Indexes as transactions and snapshots read them: their own writes on top, one state below, and conflicts by ranges.

import fc from "fast-check"
import { describe, expect, test } from "vitest"
import { SnapshotExpired } from "../../src/index.ts"
import type { Store, TableHandle, Transaction } from "../../src/index.ts"
import { temporaryStore } from "./temporary-store.ts"

type Numbers = TableHandle<number, { readonly n: number; readonly digits: string }>

async function withNumbers(numbers: Readonly<Record<string, number>> = {}): Promise<readonly [Store, Numbers]> {
  const store = await temporaryStore()
  const table = store.table("numbers", {
    indexes: {
      n: (n: number) => (n < 0 ? undefined : n),
      digits: { many: true, of: (n: number) => String(Math.abs(n)).split("") },
    },
  })
  await table.putMany(Object.entries(numbers))
  return [store, table]
}

describe("an index in a transaction", () => {
  test.each(["synchronous", "asynchronous"])("that is %s has its own writes, which nobody else sees", async (kind) => {
    const [store, numbers] = await withNumbers({ a: 1, b: 2, c: 3, d: 4 })
    const change = (tx: Transaction): void => {
      tx.put(numbers, "a", 10)
      tx.delete(numbers, "b")
      tx.put(numbers, "e", 3)
      tx.put(numbers, "d", -1)
      tx.put(numbers, "f", 12)
    }
    const look = (tx: Transaction): unknown => {
      const index = tx.index(numbers, "n")
      return [
        [...index.pairs()],
        [...index.keys({ from: 3, limit: 2, reverse: true })],
        [...index.entries({ to: 10, limit: 2 })],
        [index.get(3), index.find(2), index.count(), index.count({ from: 10 }), index.min(), index.max()],
        tx.index(numbers, "digits").get("1"),
      ]
    }
    const expected = [
      [
        [3, "c"],
        [3, "e"],
        [10, "a"],
        [12, "f"],
      ],
      ["f", "a"],
      [
        ["c", 3],
        ["e", 3],
      ],
      [["c", "e"], undefined, 4, 2, 3, 12],
      ["a", "d", "f"],
    ]
    const { value } = await store.transact((tx) => {
      if (kind === "synchronous") {
        change(tx)
        return look(tx)
      }
      return (async () => {
        await Promise.resolve()
        change(tx)
        await Promise.resolve()
        expect([...numbers.index("n").keys()]).toEqual(["a", "b", "c", "d"])
        return look(tx)
      })()
    })
    expect(value).toEqual(expected)
    expect([...numbers.index("n").keys()]).toEqual(["c", "e", "a", "f"])
  })

  test("reads the state at which the transaction began, whatever others write meanwhile", async () => {
    const [store, numbers] = await withNumbers({ a: 1, b: 2, c: 3 })
    const look = (tx: Transaction): unknown => [...tx.index(numbers, "n").pairs({ from: 1, through: 5 })]
    const { value } = await store.transact(
      async (tx) => {
        const before = look(tx)
        await numbers.put("a", 4)
        await numbers.put("b", 2)
        await numbers.delete("c")
        await numbers.put("d", 5)
        await numbers.put("e", 1)
        return [before, look(tx), tx.index(numbers, "n").count(), tx.index(numbers, "n").get(1)]
      },
      { isolation: "snapshot" },
    )
    const state = [
      [1, "a"],
      [2, "b"],
      [3, "c"],
    ]
    expect(value).toEqual([state, state, 3, ["a"]])
  })

  test("is ended with it", async () => {
    const [store, numbers] = await withNumbers({ a: 1 })
    const { value: index } = await store.transact((tx) => tx.index(numbers, "n"))
    expect(() => index.get(1)).toThrow("the transaction has ended")
    const other = await temporaryStore()
    const foreign = store.transact((tx) => tx.index(other.table("numbers"), "n"))
    await expect(foreign).rejects.toThrow("another store's")
    await expect(store.transact((tx) => tx.index(numbers, "x" as never))).rejects.toMatchObject({
      code: "ORRERY_NO_SUCH_INDEX",
    })
  })

  /** Reads a range, lets others write, and writes something else. Whether it conflicted. */
  async function conflicts(
    store: Store,
    numbers: Numbers,
    read: (tx: Transaction) => unknown,
    write: () => Promise<unknown>,
    isolation: "serializable" | "snapshot" = "serializable",
  ): Promise<boolean> {
    const outcome = store.transact(
      async (tx) => {
        read(tx)
        await write()
        tx.put(numbers, "own", -1)
      },
      { isolation, retries: 0 },
    )
    return outcome.then(
      () => false,
      (error: { readonly code?: string }) => {
        if (error.code !== "ORRERY_TRANSACTION_CONFLICT") throw error
        return true
      },
    )
  }

  test("conflicts with what comes into a range that was read, leaves it or moves in it, and with nothing else", async () => {
    const [store, numbers] = await withNumbers({ a: 1, b: 2, c: 3, d: 10 })
    const read = (tx: Transaction): unknown => [...tx.index(numbers, "n").keys({ from: 2, to: 10 })]
    const lookup = (tx: Transaction): unknown => tx.index(numbers, "n").get(7)
    const first = (tx: Transaction): unknown => [...tx.index(numbers, "n").keys({ from: 2, limit: 1 })]
    const last = (tx: Transaction): unknown => tx.index(numbers, "n").max()
    const cases: readonly (readonly [string, typeof read, () => Promise<unknown>, boolean])[] = [
      ["a record outside", read, () => numbers.put("a", 0), false],
      ["a record that stays outside", read, () => numbers.put("d", 11), false],
      ["the same again", read, () => numbers.put("b", 2), false],
      ["one that comes", read, () => numbers.put("e", 9), true],
      ["one that goes", read, () => numbers.delete("e"), true],
      ["one that moves", read, () => numbers.put("c", 4), true],
      ["one that leaves", read, () => numbers.put("c", 20), true],
      ["a miss that stays one", lookup, () => numbers.put("f", 8), false],
      ["a miss that becomes a hit", lookup, () => numbers.put("f", 7), true],
      ["a record behind the limit", first, () => numbers.put("g", 30), false],
      ["a record before the limit", first, () => numbers.put("a", 2), true],
      ["a new greatest one", last, () => numbers.put("g", 31), true],
      ["a count", (tx) => tx.index(numbers, "n").count({ from: 2, limit: 1 }), () => numbers.put("h", 40), true],
    ]
    for (const [what, reads, write, expected] of cases) {
      expect(await conflicts(store, numbers, reads, write), what).toBe(expected)
    }
    expect(await conflicts(store, numbers, read, () => numbers.put("i", 5), "snapshot")).toBe(false)
    const withOwn = (tx: Transaction): unknown => {
      tx.put(numbers, "b", 50)
      return [...tx.index(numbers, "n").keys({ from: 2, limit: 1 })]
    }
    expect(await conflicts(store, numbers, withOwn, () => numbers.put("j", 6))).toBe(true)
  })

  test("reads what a scan within the transaction finds, and conflicts just where that has changed", async () => {
    const key = fc.constantFrom("a", "b", "c", "d", "e", "f")
    const write = fc.tuple(key, fc.option(fc.integer({ min: -2, max: 6 }), { nil: undefined }))
    const writes = fc.array(write, { maxLength: 6 })
    const range = fc.record({ from: fc.nat(4), to: fc.nat(7), reverse: fc.boolean() })
    const [store, numbers] = await withNumbers()
    const scan = (
      entries: Iterable<[string, number]>,
      { from, to, reverse }: { from: number; to: number; reverse: boolean },
    ): string[] => {
      const found = [...entries]
        .filter(([, n]) => n >= from && n < to)
        .toSorted(([left, n], [right, m]) => n - m || (left < right ? -1 : 1))
        .map(([id]) => id)
      return reverse ? found.toReversed() : found
    }
    await fc.assert(
      fc.asyncProperty(writes, writes, writes, writes, range, async (initial, own, others, later, bounds) => {
        for (const [id, n] of initial) await (n === undefined ? numbers.delete(id) : numbers.put(id, n))
        const initialPairs = [...numbers.index("n").pairs(bounds)]
        let isChanged: boolean | undefined
        const outcome = store.transact(
          async (tx) => {
            const before = [...tx.index(numbers, "n").keys(bounds)]
            expect(before).toEqual(scan(numbers.entries(), bounds))
            for (const [id, n] of others) await (n === undefined ? numbers.delete(id) : numbers.put(id, n))
            for (const [id, n] of own) {
              if (n === undefined) tx.delete(numbers, id)
              else tx.put(numbers, id, n)
            }
            const seen = [...tx.index(numbers, "n").keys(bounds)]
            for (const [id, n] of later) await (n === undefined ? numbers.delete(id) : numbers.put(id, n))
            expect([...tx.index(numbers, "n").keys(bounds)]).toEqual(seen)
            tx.put(numbers, "own", -5)
            const now = [...numbers.index("n").pairs(bounds)]
            isChanged = JSON.stringify(now) !== JSON.stringify(initialPairs)
          },
          { retries: 0 },
        )
        const isConflict = await outcome.then(
          () => false,
          (error: { readonly code?: string }) => {
            if (error.code !== "ORRERY_TRANSACTION_CONFLICT") throw error
            return true
          },
        )
        expect(isConflict).toBe(isChanged)
      }),
      { numRuns: 150 },
    )
  })
})

describe("an index of a snapshot", () => {
  test("is what it was, whatever was written since, until the snapshot is closed", async () => {
    const [store, numbers] = await withNumbers({ a: 1, b: 2, c: 3 })
    const snapshot = store.snapshot()
    const index = snapshot.index(numbers, "n")
    const look = (): unknown => [
      [...index.entries()],
      [...index.keys({ reverse: true, limit: 2 })],
      index.count(),
      index.max(),
    ]
    const before = look()
    await numbers.put("a", 9)
    await numbers.put("a", 10)
    await numbers.delete("b")
    await numbers.put("b", 4)
    await numbers.put("d", 2)
    await numbers.delete("c")
    expect(look()).toEqual(before)
    expect(before).toEqual([
      [
        ["a", 1],
        ["b", 2],
        ["c", 3],
      ],
      ["c", "b"],
      3,
      3,
    ])
    expect([...numbers.index("n").keys()]).toEqual(["d", "b", "a"])
    snapshot.close()
    expect(() => index.get(1)).toThrow(SnapshotExpired)
  })

  test("is what a scan of the snapshot finds, in any history", async () => {
    const [store, numbers] = await withNumbers()
    const write = fc.tuple(fc.constantFrom("a", "b", "c", "d"), fc.option(fc.nat(5), { nil: undefined }))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(write, { maxLength: 5 }), { maxLength: 5 }), async (rounds) => {
        const snapshots = []
        for (const round of rounds) {
          for (const [id, n] of round) await (n === undefined ? numbers.delete(id) : numbers.put(id, n))
          snapshots.push(store.snapshot())
        }
        for (const snapshot of snapshots) {
          const found = [...snapshot.table<number>("numbers").entries()].map(([id, n]) => `${n} ${id}`).toSorted()
          expect([...snapshot.index(numbers, "n").pairs()].map(([n, id]) => `${n} ${id}`)).toEqual(found)
          snapshot.close()
        }
      }),
      { numRuns: 100 },
    )
  })
})
