// Prepared transactions of a lone caller: does a prepare, a decision or a plain transaction cost more where many others are
// in doubt, or were decided before? Two stores in one process take turns in blocks, one with few and one with many, so
// that they meet the same disk; their figures are given as ratios.

import { join } from "node:path"
import type { Store } from "../src/index.ts"
import type { Context, Row, Variant } from "./harness.ts"
import { interleave, notesOf } from "./harness.ts"
import { openOrrery } from "./peers/orrery.ts"
import { figure, formatMs } from "./report.ts"
import type { Figure, Report } from "./report.ts"
import { expectEqual } from "./scenario.ts"
import type { Measured, ScenarioInput, Scenarios } from "./scenario.ts"
import { spread } from "./statistics.ts"
import { keyOf, Latencies, recordOf } from "./workload.ts"

const FEW = 10
const BLOCK_COUNT = 20
const CALLERS = 1_000
/** Keys that the state of a fixed size has. */
const KEY_COUNT = 100
const WAYS = ["prepare", "commit", "plain"] as const

export const scenarios: Scenarios = { decide }

/**
 * `batch`: how many are there before; `mode`: "pending", in doubt; "decided", and the state has grown by each; "decided,
 * fixed state", over the same few keys.
 */
async function decide({ directory, count, batch, mode }: ScenarioInput): Promise<Measured> {
  const stores = [
    await StoreOfMany.open(join(directory, "few")),
    await StoreOfMany.open(join(directory, "many")),
  ] as const
  await stores[0].fill(FEW, mode)
  await stores[1].fill(batch, mode)
  // The first block warms up both.
  for (const store of stores) {
    await store.block()
    store.samples = emptySamples()
  }
  for (let done = 0; done < count; done += BLOCK_COUNT) {
    for (const store of done % (2 * BLOCK_COUNT) === 0 ? stores : stores.toReversed()) await store.block()
  }
  const [few, many] = stores
  expectEqual("transactions in doubt", many.store.inDoubt().length, mode === "pending" ? batch : 0)
  const numbers: Record<string, number> = {}
  for (const way of WAYS) {
    numbers[`${way}.fewMs`] = few.samples[way].summary()["p50Ms"] ?? Number.NaN
    numbers[`${way}.manyMs`] = many.samples[way].summary()["p50Ms"] ?? Number.NaN
    numbers[`${way}.ratio`] = (numbers[`${way}.manyMs`] ?? 0) / (numbers[`${way}.fewMs`] ?? 1)
  }
  await few.store.close()
  const closedMs = performance.now()
  await many.store.close()
  const again = await openOrrery(join(directory, "many"), { checkpoint: false, prepared: { count: 1_000_000 } })
  numbers["reopenMs"] = performance.now() - closedMs
  expectEqual("transactions in doubt after opening", again.store.inDoubt().length, mode === "pending" ? batch : 0)
  await again.close()
  return { numbers }
}

function emptySamples(): Record<(typeof WAYS)[number], Latencies> {
  return { prepare: new Latencies(), commit: new Latencies(), plain: new Latencies() }
}

class StoreOfMany {
  readonly store: Store
  samples = emptySamples()
  #next = 0

  private constructor(store: Store) {
    this.store = store
  }

  static async open(directory: string): Promise<StoreOfMany> {
    const { store } = await openOrrery(directory, { checkpoint: false, prepared: { count: 1_000_000, warnMs: 0 } })
    return new StoreOfMany(store)
  }

  async fill(count: number, mode: string): Promise<void> {
    for (let done = 0; done < count; done += CALLERS) {
      const batch = Array.from({ length: Math.min(CALLERS, count - done) }, (_, n) => done + n)
      const key = (n: number): string => (mode.endsWith("fixed state") ? keyOf(n % KEY_COUNT) : keyOf(n))
      // Those that meet at a key would wait for each other.
      const groups = mode.endsWith("fixed state") ? KEY_COUNT : CALLERS
      for (let at = 0; at < batch.length; at += groups) {
        const group = batch.slice(at, at + groups)
        await Promise.all(group.map((n) => this.#prepare(`before ${n}`, key(n))))
        if (mode !== "pending") await Promise.all(group.map((n) => this.store.commitPrepared(`before ${n}`)))
      }
    }
  }

  async block(): Promise<void> {
    for (let n = 0; n < BLOCK_COUNT; n++) {
      const id = `measured ${this.#next++}`
      const key = `measured ${this.#next % KEY_COUNT}`
      await this.#timed("prepare", () => this.#prepare(id, key))
      await this.#timed("commit", () => this.store.commitPrepared(id))
      await this.#timed("plain", () => this.store.transact((tx) => tx.put(this.store.table("users"), key, recordOf(n))))
    }
  }

  #prepare(id: string, key: string): Promise<unknown> {
    const table = this.store.table("users")
    return this.store.transact((tx) => {
      tx.put(table, key, recordOf(1))
      tx.prepare(id)
    })
  }

  async #timed(way: (typeof WAYS)[number], operate: () => Promise<unknown>): Promise<void> {
    const startMs = performance.now()
    await operate()
    this.samples[way].record(performance.now() - startMs)
  }
}

async function run(context: Context): Promise<Report> {
  const count = context.isQuick ? 400 : 2_000
  const rounds = context.rounds(context.isQuick ? 1 : 3)
  const many = context.isQuick ? [10_000] : [1_000, 100_000]
  const variants = ["pending", "decided", "decided, fixed state"].flatMap((mode) =>
    many.map((batch): Variant => {
      const name = `${batch.toLocaleString("en")} ${mode}`
      return { name, scenario: "decide", input: { count, batch, mode } }
    }),
  )
  const all = await interleave(context, "prepare", variants, rounds, ({ numbers }) =>
    formatMs(numbers["commit.manyMs"] ?? 0),
  )
  const largest = many.at(-1)?.toLocaleString("en") ?? ""
  const ratios = (mode: string, way: string): number[] =>
    all.find(({ name }) => name === `${largest} ${mode}`)?.values(`${way}.ratio`) ?? []
  const figureOf = (mode: string, way: string, what: string): Figure =>
    figure(`${what} with ${largest} ${mode}, p50, against ${FEW}`, { atMost: 1.2 }, ratios(mode, way))
  return {
    title: "Prepared transactions",
    setting: `A lone caller, ${count.toLocaleString("en")} of each, synced, one key each, in blocks of ${BLOCK_COUNT} in turn with a store that has ${FEW}, ${rounds} rounds.`,
    tables: [
      {
        header: ["", "way", `p50 with ${FEW}`, "p50: median [lowest … highest]", "ratio", "opening again"],
        rows: all
          .filter((series) => series.isMeasured)
          .flatMap((series) =>
            WAYS.map((way) => [
              series.name,
              way === "plain" ? "transaction of 1" : way,
              formatMs(series.median(`${way}.fewMs`)),
              spread(series.values(`${way}.manyMs`), formatMs),
              series.median(`${way}.ratio`).toFixed(2),
              way === "prepare" ? formatMs(series.median("reopenMs")) : "",
            ]),
          ),
      },
    ],
    figures: [
      figureOf("pending", "commit", "committing a prepared transaction"),
      figureOf("pending", "prepare", "preparing"),
      figureOf("pending", "plain", "a plain transaction in the same table"),
      figureOf("decided", "commit", "committing a prepared transaction"),
      figureOf("decided, fixed state", "commit", "committing a prepared transaction"),
    ],
    notes: notesOf(all),
  }
}

export const row: Row = {
  name: "prepare",
  title: "Prepared transactions, few and many",
  estimateSeconds: (isQuick) => (isQuick ? 30 : 180),
  hasQuickSize: true,
  run,
}
