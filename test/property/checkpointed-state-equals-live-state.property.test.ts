// Whatever is written, overwritten and deleted, and whenever checkpoints are made of it meanwhile: what a store has after
// it was opened again, with any number of shards, and what a shard has that was built anew, is what a Map has. The same
// holds for checkpoints that take the log in small pieces.

import fc from "fast-check"
import { expect, test } from "vitest"
import { listCheckpoints } from "../../src/checkpoint/checkpoint-files.ts"
import { foldCheckpoint } from "../../src/checkpoint/fold-checkpoint.ts"
import { open } from "../../src/index.ts"
import type { Store } from "../../src/index.ts"
import { recover } from "../../src/recovery/recover.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { takeDirectory } from "../../src/store/store-directory.ts"
import { readLog } from "../../src/wal/log-reader.ts"
import { untilSettled } from "./store-history.ts"

const RUN_COUNT = Number(process.env["ORRERY_RUNS"] ?? 60)
const SEED = Number(process.env["ORRERY_SEED"] ?? 40_417)
const SEGMENT_BYTES = 4096
/** Records of which a table takes more than one chunk of memory, and the time after which it has given some back. */
const SWELL_COUNT = 600
const COMPACTED_MS = 500

type Step =
  | {
      readonly kind: "put"
      readonly table: string
      readonly key: string
      readonly shape: number
      readonly size: number
    }
  | { readonly kind: "delete"; readonly table: string; readonly key: string }
  | { readonly kind: "deleteAll"; readonly table: string }
  | { readonly kind: "batch"; readonly puts: readonly (readonly [string, string])[]; readonly size: number }
  | { readonly kind: "checkpoint" }
  | { readonly kind: "checkpointAndWait" }
  | { readonly kind: "settle" }
  /** Many records, most of which go again; time passes, in which the memory of their table is compacted. */
  | { readonly kind: "swell"; readonly table: string; readonly keepEvery: number }
  | { readonly kind: "turns"; readonly count: number }
  | { readonly kind: "killShard"; readonly shard: number }
  | { readonly kind: "killCheckpointer" }
  | { readonly kind: "killLog" }
  | { readonly kind: "reopen"; readonly shards: number; readonly keep: number; readonly onClose: boolean }
  | { readonly kind: "foldInPieces"; readonly deltaSizeMax: number }

const table = fc.constantFrom("t0", "t1", "t2", "a table with a long name ".repeat(9))
const key = fc.oneof(
  { weight: 6, arbitrary: fc.nat(30).map((n) => `key ${n}`) },
  { weight: 1, arbitrary: fc.constantFrom("", "ключ", "\0", "k".repeat(2000)) },
)
const size = fc.oneof({ weight: 9, arbitrary: fc.nat(200) }, { weight: 1, arbitrary: fc.constantFrom(3000, 9000) })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 14, arbitrary: fc.record({ kind: fc.constant("put" as const), table, key, shape: fc.nat(5), size }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("delete" as const), table, key }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("deleteAll" as const), table }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("batch" as const),
      puts: fc.array(fc.tuple(table, key), { minLength: 1, maxLength: 6 }),
      size,
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 60 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("swell" as const), table, keepEvery: fc.constantFrom(7, 40) }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "settle" as const }) },
  { weight: 3, arbitrary: fc.constant({ kind: "checkpoint" as const }) },
  { weight: 2, arbitrary: fc.constant({ kind: "checkpointAndWait" as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("killShard" as const), shard: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "killCheckpointer" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "killLog" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("reopen" as const),
      shards: fc.integer({ min: 1, max: 5 }),
      keep: fc.integer({ min: 1, max: 3 }),
      onClose: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("foldInPieces" as const), deltaSizeMax: fc.constantFrom(1, 700, 5000) }),
  },
)

/** Different fields, so that shapes are learnt; the last is written in full each time. */
function valueOf(shape: number, n: number, padSize: number): unknown {
  const pad = "p".repeat(padSize)
  switch (shape) {
    case 0:
      return { n, pad }
    case 1:
      return { n, inner: { x: n, y: [n, pad] }, flag: true }
    case 2:
      return { pad, n }
    case 3:
      return `${n} ${pad}`
    case 4:
      return { n, nothing: null, more: { a: 1, b: { c: pad } } }
    default:
      return { [`field ${n}`]: pad }
  }
}

/** "table" and "key" to the value as JSON. */
type Model = Map<string, string>

function contentOf(store: Store): Model {
  const content: Model = new Map()
  for (const name of store.tables()) {
    for (const [id, value] of store.table(name).entries()) content.set(`${name}/${id}`, JSON.stringify(value))
  }
  return content
}

function expectSame(actual: Model, expected: Model, where: string): void {
  const wrong = [...expected].filter(([place, value]) => actual.get(place) !== value).map(([place]) => place)
  const extra = [...actual.keys()].filter((place) => !expected.has(place))
  expect({ wrong, extra }, where).toEqual({ wrong: [], extra: [] })
}

class Run {
  readonly #platform: SimulatedPlatform
  readonly #model: Model = new Map()
  #store: Store
  #shardCount = 3
  #pending: Promise<unknown>[] = []
  #n = 0
  checkpointCount = 0
  truncatedCount = 0
  movedRecords = 0

  private constructor(platform: SimulatedPlatform, store: Store) {
    this.#platform = platform
    this.#store = store
  }

  static async begin(seed: number): Promise<Run> {
    const platform = simulatePlatform({ seed })
    return new Run(platform, await openOn(platform, 3, 3, false))
  }

  async take(step: Step, where: string): Promise<void> {
    const store = this.#store
    switch (step.kind) {
      case "put":
        this.#put(step.table, step.key, step.shape, step.size)
        break
      case "delete":
        this.#delete(step.table, step.key)
        break
      case "deleteAll":
        for (const place of this.#model.keys()) {
          const [name, id] = split(place)
          if (name === step.table) this.#delete(name, id)
        }
        break
      case "batch": {
        this.#n++
        const value = valueOf(this.#n % 6, this.#n, step.size)
        this.#track(
          store.batch((batch) => {
            for (const [name, id] of step.puts) batch.put(store.table(name), id, value)
          }),
        )
        for (const [name, id] of step.puts) this.#model.set(`${name}/${id}`, JSON.stringify(value))
        break
      }
      case "turns":
        for (let turn = 0; turn < step.count; turn++) await Promise.resolve()
        break
      case "swell":
        await this.#swell(step.table, step.keepEvery)
        break
      case "settle":
        await this.#settle()
        expectSame(contentOf(store), this.#model, `${where}: live`)
        break
      case "checkpoint":
        this.#pending.push(this.#checkpoint())
        break
      case "checkpointAndWait":
        await this.#settle()
        await untilSettled(this.#platform, this.#checkpoint())
        break
      case "killShard":
        await untilSettled(
          this.#platform,
          store.killActor(`store/shards/shard-${step.shard % this.#shardCount}`, new Error("killed by the test")),
        )
        await untilSettled(this.#platform, store.ready())
        expectSame(contentOf(store), this.#model, `${where}: built anew`)
        break
      case "killCheckpointer":
        await untilSettled(this.#platform, store.killActor("store/checkpointer", new Error("killed by the test")))
        break
      case "killLog":
        // What is in flight then may be there afterwards, or not: nothing is.
        await this.#settle()
        await untilSettled(this.#platform, store.killActor("store/log/wal-writer", new Error("killed by the test")))
        await untilSettled(this.#platform, store.ready())
        expectSame(contentOf(store), this.#model, `${where}: recovered`)
        break
      case "reopen":
        this.movedRecords += store.metrics().tables.movedRecords
        await untilSettled(this.#platform, store.close())
        await this.#settle()
        this.#shardCount = step.shards
        this.#store = await openOn(this.#platform, step.shards, step.keep, step.onClose)
        this.#checkOpened(this.#store, where)
        break
      case "foldInPieces":
        await this.#foldInPieces(step.deltaSizeMax, where)
        break
    }
  }

  async end(where: string): Promise<void> {
    await this.take({ kind: "reopen", shards: 2, keep: 1, onClose: false }, where)
    await this.take({ kind: "checkpointAndWait" }, where)
    await this.take({ kind: "reopen", shards: 5, keep: 1, onClose: false }, where)
    for (let shard = 0; shard < 5; shard++) await this.take({ kind: "killShard", shard }, where)
    await untilSettled(this.#platform, this.#store.close())
    expect(this.#platform.fileSystem.openFileCount, where).toBe(0)
    expect(this.#platform.fileSystem.violations, where).toEqual([])
  }

  #put(name: string, id: string, shape: number, padSize: number): void {
    const value = valueOf(shape, ++this.#n, padSize)
    this.#track(this.#store.table(name).put(id, value))
    this.#model.set(`${name}/${id}`, JSON.stringify(value))
  }

  #delete(name: string, id: string): void {
    this.#track(this.#store.table(name).delete(id))
    this.#model.delete(`${name}/${id}`)
  }

  #track(work: Promise<unknown>): void {
    this.#pending.push(work)
  }

  async #swell(name: string, keepEvery: number): Promise<void> {
    const store = this.#store
    const entries = Array.from({ length: SWELL_COUNT }, (_, i) => [`s${i}`, valueOf(i % 6, ++this.#n, 60)] as const)
    this.#track(store.table(name).putMany(entries))
    for (const [id, value] of entries) this.#model.set(`${name}/${id}`, JSON.stringify(value))
    await this.#settle()
    const gone = entries.flatMap(([id], i) => (i % keepEvery === 0 ? [] : [id]))
    this.#track(
      store.batch((batch) => {
        for (const id of gone) batch.delete(store.table(name), id)
      }),
    )
    for (const id of gone) this.#model.delete(`${name}/${id}`)
    await this.#settle()
    for (let passed = 0; passed < COMPACTED_MS; passed += 50) {
      this.#platform.clock.advance(50)
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }

  async #settle(): Promise<void> {
    const pending = this.#pending
    this.#pending = []
    await untilSettled(this.#platform, Promise.all(pending))
  }

  async #checkpoint(): Promise<void> {
    try {
      const report = await this.#store.checkpoint()
      if (report === undefined) return
      this.checkpointCount++
      if (report.oldestLsn > 1) this.truncatedCount++
    } catch (error) {
      const { code } = error as { readonly code?: string }
      if (code !== "ORRERY_CLOSED" && code !== "ORRERY_RESTARTING") throw error
    }
  }

  #checkOpened(store: Store, where: string): void {
    expectSame(contentOf(store), this.#model, `${where}: opened again`)
    expect(store.recovery.warnings, where).toEqual([])
  }

  /** On a copy of the disk: checkpoints of a few frames each, from the newest one on, until the log has no more. */
  async #foldInPieces(deltaSizeMax: number, where: string): Promise<void> {
    await this.#settle()
    const disk = this.#platform.fileSystem.snapshot({ keepsTrace: false })
    disk.unlockAll()
    const platform = simulatePlatform({ seed: 1, disk })
    const owned = await takeDirectory(platform, "/data", false, SEGMENT_BYTES)
    const { end } = await recover({
      directory: owned.log,
      clock: platform.clock,
      manifest: owned.manifest,
      foundStore: true,
      trustedLsn: undefined,
      warnings: [],
      state: undefined,
      // Only the end is wanted: what is defined in the checkpoint alone is not known here.
      fold: { apply: () => undefined },
      onProgress: () => undefined,
    })
    const numbers = await listCheckpoints(owned.log)
    let base = numbers.at(-1)
    let pieces = 0
    for (; ; pieces++) {
      const made = await foldCheckpoint({
        directory: owned.log,
        number: (base ?? 0) + 1,
        base,
        readLog: (after) => readLog(owned.log, end.segments, { lsn: end.startLsn }, new Map(), after, end.lastLsn),
        createdMs: 0,
        deltaSizeMax,
        pace: () => undefined,
      })
      if (made === undefined) break
      base = made.number
    }
    await owned.lock.release()
    const store = await openOn(platform, 4, 3, false)
    this.#checkOpened(store, `${where}: folded in ${pieces} pieces`)
    expect(store.recovery.checkpoint, where).toBe(base)
    expect(store.recovery.records, where).toBe(0)
    await untilSettled(platform, store.close())
  }
}

function openOn(platform: SimulatedPlatform, shards: number, keep: number, onClose: boolean): Promise<Store> {
  return open("/data", {
    platform,
    shards,
    segmentBytes: SEGMENT_BYTES,
    checkpoint: { onClose },
    keep: { checkpoints: keep },
  })
}

function split(place: string): [string, string] {
  const slash = place.indexOf("/")
  return [place.slice(0, slash), place.slice(slash + 1)]
}

test("what is opened or built anew is what was written, whenever checkpoints were made of it", async () => {
  const histories = fc.sample(fc.array(step, { minLength: 15, maxLength: 80, size: "max" }), {
    numRuns: RUN_COUNT,
    seed: SEED,
  })
  let checkpointCount = 0
  let truncatedCount = 0
  let movedRecords = 0
  for (const [index, steps] of histories.entries()) {
    const where = `history ${index} of ORRERY_SEED=${SEED}`
    const run = await Run.begin(SEED + index)
    try {
      for (const [at, one] of steps.entries()) await run.take(one, `${where}, step ${at} (${one.kind})`)
      await run.end(where)
    } catch (error) {
      throw new Error(`${where}: ${String(error)}\n${JSON.stringify(steps)}`, { cause: error })
    }
    checkpointCount += run.checkpointCount
    truncatedCount += run.truncatedCount
    movedRecords += run.movedRecords
  }
  const counts = `${checkpointCount} checkpoints, ${truncatedCount} of them with a shortened log`
  console.log(`${RUN_COUNT} histories, ${counts}, ${movedRecords} records moved in memory`)
  expect(checkpointCount).toBeGreaterThan(RUN_COUNT)
  expect(truncatedCount).toBeGreaterThan(RUN_COUNT / 2)
  expect(movedRecords).toBeGreaterThan(RUN_COUNT)
})
