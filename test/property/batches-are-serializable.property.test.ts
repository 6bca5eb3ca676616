// I2, I3, I4: what clients see of lists that they read and append to is strictly serializable, over killed actors and
// power cuts: each batch, with what its client read on the same turn, took place at one moment, and so did each update;
// what was acknowledged as synced is in every later list. The histories are judged by the checker of orrery-db/testing,
// which knows nothing of the engine.

import { expect, test } from "vitest"
import type { Durability, Store } from "../../src/index.ts"
import { CommitUnknown, OrreryError } from "../../src/model/errors.ts"
import { crashStates } from "../../src/simulation/crash-states.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { check } from "../../src/testing/check.ts"
import type { RecordedEntry } from "../../src/testing/check-history.ts"
import type { Recorder, Recording } from "../../src/testing/check-recorder.ts"
import type { ListHistory, ListOperation } from "../../src/testing/check-transactions.ts"
import { openStore, untilSettled } from "./store-history.ts"

const SEGMENT_BYTES = 4096
const CLIENTS = 6
const SEED = Number(process.env["ORRERY_SEED"] ?? 20_261)
const HISTORIES = Number(process.env["ORRERY_HISTORIES"] ?? 25)
const CUTS_A_HISTORY = 8

const KEYS = ["a", "b", "c", "d", "e"]
const ACTORS = ["shards/shard-0", "shards/shard-1", "shards/shard-2", "log/wal-writer", "log/recoverer"]

type ListEntry = RecordedEntry<readonly ListOperation[], readonly ListOperation[]>
type ListRecorder = Recorder<readonly ListOperation[], readonly ListOperation[]>

/** When each entry was begun and ended, in operations of the disk that had ended by then. */
interface DiskTimes {
  readonly begun: number
  ended: number
}

/** The clients of one life of a store. */
class Clients {
  readonly recorder: ListRecorder = check.recorder()
  readonly times: DiskTimes[] = []
  readonly #platform: SimulatedPlatform
  readonly #store: Store
  readonly #random: SimulatedRandom
  readonly #life: number
  #nextValue: number

  constructor(platform: SimulatedPlatform, store: Store, seed: number, life: number) {
    this.#platform = platform
    this.#store = store
    this.#random = new SimulatedRandom(seed)
    this.#life = life
    this.#nextValue = life * 1_000_000
  }

  async run(transactions: number, kills: number): Promise<void> {
    const clients = Array.from({ length: CLIENTS }, (_, client) =>
      this.#client(`${this.#life}.${client}`, transactions),
    )
    await untilSettled(this.#platform, Promise.all([...clients, this.#killer(kills)]))
    await untilSettled(this.#platform, this.#store.ready())
    this.#look("last")
  }

  async #client(process: string, transactions: number): Promise<void> {
    for (let count = 0; count < transactions; count++) {
      await this.#pause(this.#random.below(30))
      const choice = this.#random.below(10)
      if (choice < 2) this.#look(process)
      else if (choice < 4) await this.#update(process)
      // A batch that has to wait in line is no longer on the turn of its client's reads.
      else if (this.#store.status.state === "open") await this.#batch(process)
    }
  }

  async #killer(kills: number): Promise<void> {
    for (let count = 0; count < kills; count++) {
      await this.#pause(100 + this.#random.below(300))
      await this.#store.killActor(`store/${this.#random.pick(ACTORS)}`, new Error("killed by the test"))
      await this.#store.ready()
      // What was only in memory may be gone from here on.
      this.recorder.crash()
    }
  }

  /** Reads lists and appends to some of them, all on one turn. */
  async #batch(process: string): Promise<void> {
    const keys = KEYS.filter(() => this.#random.chance(2))
    const targets = new Set(keys.filter(() => this.#random.chance(2)))
    const level = this.#level()
    const recording = this.#begin(process)
    const done: ListOperation[] = []
    let receipt: Promise<unknown>
    try {
      const lists = this.#store.table<number[]>("lists")
      const seen = new Map(keys.map((key) => [key, lists.get(key) ?? []]))
      receipt = this.#store.batch(
        (batch) => {
          for (const [key, values] of seen) {
            done.push({ kind: "read", key, values })
            if (!targets.has(key)) continue
            const value = this.#nextValue++
            batch.put(lists, key, [...values, value])
            done.push({ kind: "append", key, value })
          }
        },
        { durability: level },
      )
    } catch (error) {
      recording.fail(error, done)
      expect(error).toBeInstanceOf(OrreryError)
      return
    }
    // A batch of nothing is a look: its reads may be of what is not durable yet.
    await this.#settle(receipt, recording, done, targets.size > 0 ? level : "memory")
  }

  async #update(process: string): Promise<void> {
    const key = this.#random.pick(KEYS)
    const value = this.#nextValue++
    const level = this.#level()
    const recording = this.#begin(process)
    const done: ListOperation[] = []
    const change = (values: number[] = []): number[] => {
      done.push({ kind: "read", key, values }, { kind: "append", key, value })
      return [...values, value]
    }
    const receipt = this.#store.table<number[]>("lists").update(key, change, { durability: level })
    await this.#settle(receipt, recording, done, level)
  }

  /** Reads everything at once. What is seen may not be durable yet. */
  #look(process: string): void {
    const recording = this.#begin(process)
    try {
      const lists = this.#store.table<number[]>("lists")
      const done = KEYS.map((key): ListOperation => ({ kind: "read", key, values: lists.get(key) ?? [] }))
      recording.complete(done, { durable: false })
    } catch (error) {
      recording.fail(error)
      expect(error).toBeInstanceOf(OrreryError)
    }
  }

  async #settle(
    receipt: Promise<unknown>,
    recording: Recording<readonly ListOperation[], readonly ListOperation[]>,
    done: readonly ListOperation[],
    level: Durability,
  ): Promise<void> {
    try {
      await receipt
      recording.complete(done, { durable: level === "synced" })
    } catch (error) {
      if (error instanceof CommitUnknown) recording.unknown(error, done)
      else recording.fail(error, done)
      expect(error).toBeInstanceOf(OrreryError)
    }
  }

  #begin(process: string): Recording<readonly ListOperation[], readonly ListOperation[]> {
    const { fileSystem } = this.#platform
    const recording = this.recorder.begin(process, [])
    const times: DiskTimes = { begun: fileSystem.operationCount, ended: Infinity }
    this.times.push(times)
    const end = (): void => {
      times.ended = fileSystem.operationCount
    }
    return {
      complete: (...given) => (end(), recording.complete(...given)),
      fail: (...given) => (end(), recording.fail(...given)),
      unknown: (...given) => (end(), recording.unknown(...given)),
    }
  }

  #level(): Durability {
    return this.#random.pick<Durability>(["synced", "synced", "synced", "written", "memory"])
  }

  async #pause(turns: number): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
  }
}

/** What the clients knew of a history at the moment of a power cut. */
function knownAt(history: ListHistory, times: readonly DiskTimes[], operationCount: number): ListEntry[] {
  return history.entries.flatMap((entry, index): ListEntry[] => {
    const { begun, ended } = times[index] as DiskTimes
    if (begun > operationCount) return []
    if (ended <= operationCount) return [entry]
    // The answer did not come, but what was asked for, and had been read, stays what it was.
    return [
      {
        process: entry.process,
        operation: entry.result ?? entry.operation,
        outcome: "unknown",
        invoked: entry.invoked ?? 0,
      },
    ]
  })
}

function expectStrict(history: ListHistory, tell: string): ReturnType<typeof check.listAppend>["counts"] {
  const { valid, anomalies, counts } = check.listAppend(history, { model: "strict-serializable" })
  if (!valid) expect.fail(`${tell}\n${anomalies.map(({ type, explanation }) => `${type}: ${explanation}`).join("\n")}`)
  return counts
}

test("batches and updates are strictly serializable, over killed actors and power cuts", async () => {
  const totals = { transactions: 0, committed: 0, aborted: 0, unknown: 0, cuts: 0, survivors: 0 }
  for (let run = 0; run < HISTORIES; run++) {
    const seed = SEED + run
    const disk = new SimulatedDisk({ seed, keepsTrace: true })
    const platform = simulatePlatform({ seed, disk })
    const store = await openStore(platform, SEGMENT_BYTES)
    const before = new Clients(platform, store, seed, 0)
    await before.run(20, run % 4)
    const history = before.recorder.history()
    const counts = expectStrict(history, `ORRERY_SEED=${seed}`)
    totals.transactions += counts.transactions
    totals.committed += counts.committed
    totals.aborted += counts.aborted
    totals.unknown += counts.unknown
    await untilSettled(platform, store.close())

    for (const state of crashStates(disk.trace(), { seed, limit: CUTS_A_HISTORY })) {
      totals.cuts++
      const after = simulatePlatform({ seed, disk: state.mount({ keepsTrace: false }) })
      const again = await openStore(after, SEGMENT_BYTES)
      const clients = new Clients(after, again, seed + 1, 1)
      await clients.run(4, 0)
      await untilSettled(after, again.close())
      const entries = knownAt(history, before.times, state.afterOperation)
      const cut = 1 + Math.max(0, ...entries.map(({ invoked, completed }) => completed ?? invoked ?? 0))
      const later = clients.recorder.history().entries.map((entry) => ({
        ...entry,
        invoked: (entry.invoked ?? 0) + cut + 1,
        completed: (entry.completed ?? 0) + cut + 1,
      }))
      const crashes = [...(history.crashes ?? []).filter((crash) => crash < cut), cut]
      const survived = expectStrict(
        { entries: [...entries, ...later], crashes },
        `ORRERY_SEED=${seed}, ${state.describe()}`,
      )
      if (survived.committed > later.length) totals.survivors++
    }
  }
  console.log(JSON.stringify(totals))
  expect(totals.committed).toBeGreaterThan(totals.transactions / 2)
  expect(totals.unknown).toBeGreaterThan(0)
  expect(totals.cuts).toBeGreaterThan(HISTORIES * 4)
  expect(totals.survivors).toBeGreaterThan(HISTORIES)
})
