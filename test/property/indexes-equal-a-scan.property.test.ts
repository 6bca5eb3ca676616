// Indexes are what a scan of their table finds, at every moment of every history: of puts, batches, updates, transactions
// that are committed and aborted, writes that are refused, shards and writers that are killed, logs that fail, stores that
// are opened again with another number of shards, and crashes.

import "../../src/actors/engine.ts"
import fc from "fast-check"
import { expect, test } from "vitest"
import { open } from "../../src/index.ts"
import type { Store, TableHandle } from "../../src/index.ts"
import { OrreryError } from "../../src/model/errors.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { untilSettled } from "./store-history.ts"

interface Thing {
  readonly color: string | undefined
  readonly marks: readonly number[]
  readonly serial: number | undefined
}

const indexes = {
  color: (thing: Thing) => thing.color,
  marks: { many: true, of: (thing: Thing) => thing.marks },
  serial: { of: (thing: Thing) => thing.serial, unique: true },
} as const

type Things = TableHandle<Thing, { readonly color: string; readonly marks: number; readonly serial: number }>

const key = fc.constantFrom("a", "b", "c", "d", "e", "ё", "")
const thing: fc.Arbitrary<Thing> = fc.record({
  color: fc.constantFrom("red", "green", "blue", undefined),
  marks: fc.array(fc.nat(4), { maxLength: 3 }),
  serial: fc.oneof(fc.constant(undefined), fc.nat(6)),
})
const change = fc.tuple(key, fc.option(thing, { nil: undefined }))
const changes = fc.array(change, { minLength: 1, maxLength: 5 })

type Changes = readonly (readonly [string, Thing | undefined])[]
type Step =
  | { readonly kind: "put"; readonly change: readonly [string, Thing] }
  | { readonly kind: "update"; readonly key: string; readonly color: string }
  | { readonly kind: "batch" | "transact" | "abort" | "later" | "refused"; readonly changes: Changes }
  | { readonly kind: "turns"; readonly count: number }
  | { readonly kind: "settle" | "checkpoint" }
  | { readonly kind: "fail"; readonly when: "before" | "after-part" }
  | { readonly kind: "kill"; readonly actor: string }
  | { readonly kind: "reopen"; readonly shards: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("put" as const), change: fc.tuple(key, thing) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("update" as const), key, color: fc.constantFrom("red", "gold") }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        "batch" as const,
        "transact" as const,
        "abort" as const,
        "later" as const,
        "refused" as const,
      ),
      changes,
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("settle" as const, "checkpoint" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("kill" as const),
      actor: fc.constantFrom("shards/shard-0", "shards/shard-1", "log/wal-writer", "log/recoverer"),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("fail" as const),
      when: fc.constantFrom("before" as const, "after-part" as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reopen" as const), shards: fc.integer({ min: 2, max: 4 }) }) },
)

/** What a scan finds, in the order that the index should have. */
function scan(things: Things, keysOf: (thing: Thing) => readonly (string | number | undefined)[]): unknown[] {
  const found = [...things.entries()].flatMap(([id, value]) =>
    [...new Set(keysOf(value))].flatMap((of) => (of === undefined ? [] : [[of, id] as const])),
  )
  return found.toSorted(([left, leftId], [right, rightId]) => {
    if (left !== right) return left < right ? -1 : 1
    return Buffer.compare(Buffer.from(leftId), Buffer.from(rightId))
  })
}

function check(things: Things): void {
  expect([...things.index("color").pairs()]).toEqual(scan(things, ({ color }) => [color]))
  expect([...things.index("marks").pairs()]).toEqual(scan(things, ({ marks }) => marks))
  const serials = [...things.index("serial").pairs()]
  expect(serials).toEqual(scan(things, ({ serial }) => [serial]))
  expect(new Set(serials.map(([serial]) => serial)).size).toBe(serials.length)
}

function openOn(platform: SimulatedPlatform, shards: number): Promise<Store> {
  return untilSettled(platform, open("/data", { platform, shards, segmentBytes: 4_096 }))
}

/** A disk that fails at the wrong moment ends the life of a store; its files are another matter. */
function ignoreGivingUp(error: unknown): void {
  expect(error).toBeInstanceOf(OrreryError)
}

class History {
  readonly #platform: SimulatedPlatform
  #store: Store
  #things: Things
  #pending: Promise<unknown>[] = []

  constructor(platform: SimulatedPlatform, store: Store) {
    this.#platform = platform
    this.#store = store
    this.#things = store.table("things", { indexes })
  }

  async run(steps: readonly Step[]): Promise<Store> {
    for (const each of steps) {
      await this.#step(each)
      this.#look()
    }
    this.#platform.fileSystem.faults.clear()
    await this.#settle()
    await untilSettled(this.#platform, this.#store.ready().catch(ignoreGivingUp))
    this.#look()
    return this.#store
  }

  /** While a part of the store is down, tables and indexes cannot be read; otherwise they agree. */
  #look(): void {
    try {
      void this.#things.size
    } catch (error) {
      expect(error).toBeInstanceOf(OrreryError)
      expect(() => this.#things.index("color").count()).toThrow(OrreryError)
      return
    }
    check(this.#things)
  }

  async #step(each: Step): Promise<void> {
    const [store, things] = [this.#store, this.#things]
    switch (each.kind) {
      case "put":
        return this.#note(things.put(...each.change))
      case "update":
        return this.#note(
          things.update(each.key, (value) => ({ marks: [], serial: undefined, ...value, color: each.color })),
        )
      case "batch":
        return this.#note(
          store.batch((batch) => {
            for (const [id, value] of each.changes) {
              if (value === undefined) batch.delete(things, id)
              else batch.put(things, id, value)
            }
          }),
        )
      case "refused":
        return this.#note(
          store.batch((batch) => {
            for (const [id, value] of each.changes) {
              batch.put(things, id, value ?? ({ color: "red", marks: [], serial: 0, odd: Symbol("refused") } as never))
            }
          }),
        )
      case "transact":
      case "abort":
      case "later":
        return this.#note(
          store.transact((tx) => {
            const write = (): void => {
              for (const [id, value] of each.changes) {
                if (value === undefined) tx.delete(things, id)
                else tx.put(things, id, value)
              }
              if (each.kind === "abort") tx.abort(new DOMException("aborted", "AbortError"))
            }
            if (each.kind !== "later") return write()
            return Promise.resolve().then(write)
          }),
        )
      case "turns":
        for (let turn = 0; turn < each.count; turn++) await Promise.resolve()
        return
      case "settle":
        return this.#settle()
      case "checkpoint":
        return this.#note(store.checkpoint())
      case "kill":
        // A shard that does not exist any more, or not yet, is nobody's.
        await untilSettled(this.#platform, store.killActor(`store/${each.actor}`, new Error("test")))
        return
      case "fail": {
        // A few writes, each of which the disk may refuse or keep in part.
        const { faults, operationCount } = this.#platform.fileSystem
        const only = ["write", "writeSynced", "dataSync"] as const
        faults.add({ operation: operationCount, through: operationCount + 4, only, error: "EIO", when: each.when })
        return
      }
      case "reopen":
        await this.#settle()
        this.#platform.fileSystem.faults.clear()
        await untilSettled(
          this.#platform,
          store.close().catch(() => undefined),
        )
        this.#store = await openOn(this.#platform, each.shards)
        this.#things = this.#store.table("things", { indexes })
    }
  }

  #note(work: Promise<unknown>): void {
    this.#pending.push(
      work.catch((error: unknown) => {
        const isExpected = error instanceof OrreryError || (error as Error).name === "AbortError"
        if (!isExpected) throw error
      }),
    )
  }

  async #settle(): Promise<void> {
    const pending = this.#pending
    this.#pending = []
    await untilSettled(this.#platform, Promise.all(pending))
  }
}

test("indexes equal a scan of their table in every history", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80, size: "max" }), fc.nat(), async (steps, seed) => {
      const platform = simulatePlatform({ seed })
      const store = await new History(platform, await openOn(platform, 3)).run(steps)
      await untilSettled(platform, store.close().catch(ignoreGivingUp))
    }),
    { numRuns: 40 },
  )
})

test("indexes equal a scan of their table behind every crash", async () => {
  const isWithoutEnd = (each: Step): boolean => each.kind !== "fail" && each.kind !== "reopen"
  const steps = fc.array(step.filter(isWithoutEnd), { minLength: 10, maxLength: 30, size: "max" })
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), async (history, seed) => {
      const platform = simulatePlatform({ seed })
      const store = await new History(platform, await openOn(platform, 3)).run(history)
      await untilSettled(platform, store.close())
      const states = crashStates(platform.fileSystem.trace(), { seed })
      let taken = 0
      for (const state of states) {
        if (taken++ % 10 !== seed % 10) continue
        const again = simulatePlatform({ seed, disk: state.mount() })
        const recovered = await openOn(again, 2)
        check(recovered.table("things", { indexes }))
        await untilSettled(again, recovered.close())
      }
    }),
    { numRuns: 6 },
  )
})
