// Runs transactions that append to lists and read them, many at a time, on a simulated store, and writes down what they
// saw as a history for the list-append checker. A plan is plain data, and decides everything: whose step comes next, which
// keys are met, when the power goes, which actors are killed. Built for a million of them: no client waits for anything
// but its next step, and a history is given up as soon as it is judged.

import type { Durability, Isolation, Store, TableHandle, Transaction, TransactOptions } from "../../src/index.ts"
import { OrreryError } from "../../src/model/errors.ts"
import { delayed } from "../../src/simulation/completion-order.ts"
import { SimulatedClock } from "../../src/simulation/simulated-clock.ts"
import { SimulatedDisk } from "../../src/simulation/simulated-disk.ts"
import type { SimulatedDiskOptions } from "../../src/simulation/simulated-disk.ts"
import { SimulatedRandom } from "../../src/simulation/simulated-random.ts"
import { simulatePlatform } from "../../src/simulation/simulated-platform.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import type { ListHistory, ListOperation } from "../../src/testing/check-transactions.ts"
import { openStore, untilSettled } from "./store-history.ts"

export interface ListAppendPlan {
  readonly seed: number
  readonly transactions: number
  readonly clients: number
  /** Lists in use at a time. */
  readonly keys: number
  readonly isolation: Isolation
  readonly level: Durability
  /** Of 10,000 steps, at how many the power goes, and how many kill an actor. */
  readonly crashes: number
  readonly kills: number
}

type Values = readonly number[]
type Entry = { -readonly [Name in keyof ListHistory["entries"][number]]: ListHistory["entries"][number][Name] }

/** A list is done with after so many appends, tried or committed. */
const APPENDS_A_KEY = 12
const SEGMENT_BYTES = 256 * 1024
const TABLES = ["even", "odd"]
const KILLED = ["shards/shard-0", "shards/shard-2", "log/wal-writer"]
const NOTHING: Values = []
/** More than that within a minute, and the store gives up. */
const KILLS_MAX = 8
/** After so many steps, so many milliseconds pass. */
const STEPS_A_WHILE = 16
const WHILE_MS = 2
const DISK_MS_MAX = 5
/** A synchronous transaction of the end reads so many lists. */
const READ_AT_ONCE = 50

/** Of these a client knows that nothing took place. */
const ABORTED = ["ORRERY_TRANSACTION_CONFLICT", "ORRERY_SNAPSHOT_EXPIRED", "ORRERY_RESTARTING", "ORRERY_WRITE_REJECTED"]

export class ListAppendRun {
  committedCount = 0
  retriedCount = 0
  crashCount = 0
  killCount = 0
  readonly #plan: ListAppendPlan
  readonly #options: TransactOptions
  readonly #entries: Entry[] = []
  readonly #crashes: number[] = []
  #platform: SimulatedPlatform
  #store: Store
  #tables: readonly TableHandle<Values>[]
  /** Those who wait for their next step. */
  #waiting: (() => void)[] = []
  /** Counts the stores; what is begun in one ends with it. */
  #life = 0
  #startedCount = 0
  #running = 0
  #position = 0
  readonly #keys: number[]
  readonly #appends: number[]
  #keyCount: number
  #chance: number

  private constructor(plan: ListAppendPlan, platform: SimulatedPlatform, store: Store) {
    this.#plan = plan
    this.#options = { isolation: plan.isolation, durability: plan.level, retries: 3 }
    this.#platform = platform
    this.#store = store
    this.#tables = tablesOf(store)
    this.#keys = Array.from({ length: plan.keys }, (_, key) => key)
    this.#appends = this.#keys.map(() => 0)
    this.#keyCount = plan.keys
    this.#chance = plan.seed | 1
  }

  /** Runs the plan to its end, with a read of every list there was. */
  static async of(plan: ListAppendPlan): Promise<ListAppendRun> {
    const platform = platformOf(plan, plan.seed, (options) => new SimulatedDisk({ seed: plan.seed, ...options }))
    const run = new ListAppendRun(plan, platform, await untilSettled(platform, openStore(platform, SEGMENT_BYTES)))
    await run.#run()
    await untilSettled(run.#platform, run.#store.ready())
    await run.#readAll()
    run.retriedCount += run.#store.metrics().transactions.retried
    await untilSettled(run.#platform, run.#store.close())
    return run
  }

  get history(): ListHistory {
    return { entries: this.#entries, crashes: this.#crashes }
  }

  async #run(): Promise<void> {
    const { crashes, kills } = this.#plan
    const failures: unknown[] = []
    const begin = (): void => {
      for (let client = 0; client < this.#plan.clients; client++) {
        this.#running++
        const life = this.#life
        this.#client(life * this.#plan.clients + client, life).catch((error: unknown) => failures.push(error))
      }
    }
    begin()
    let idle = 0
    let steps = 0
    while (this.#running > 0 && failures.length === 0) {
      const next = this.#next()
      idle = next === undefined ? idle + 1 : 0
      next?.()
      if (crashes + kills > 0) {
        // At any point of what the step has set off: before its commit is encoded, while it is on its way, behind that.
        for (let hop = this.#dice(8); hop > 0; hop--) await Promise.resolve()
        if (this.#dice(10_000) < crashes) {
          await this.#crash()
          begin()
        } else if (this.killCount < KILLS_MAX && this.#dice(10_000) < kills) this.#kill()
      }
      // Those who met others are waiting for a while to pass.
      if (++steps % STEPS_A_WHILE === 0) this.#platform.clock.advance(WHILE_MS)
      if (idle > 4) await new Promise<void>((resolve) => setImmediate(resolve))
      if (idle > 6) this.#platform.clock.advance(idle > 10 ? 50 : 5)
      else for (let hop = 0; hop < 3; hop++) await Promise.resolve()
      if (idle > 10_000) throw new Error("the transactions do not go on")
    }
    if (failures.length > 0) throw failures[0]
  }

  async #client(process: number, life: number): Promise<void> {
    while (this.#startedCount < this.#plan.transactions && life === this.#life) {
      this.#startedCount++
      await this.#step()
      await this.#transaction(process, life)
    }
    if (life === this.#life) this.#running--
  }

  async #transaction(process: number, life: number): Promise<void> {
    const entry: Entry = { process, operation: [], outcome: "unknown", invoked: this.#position++ }
    this.#entries.push(entry)
    const count = 1 + this.#dice(3)
    let done: ListOperation[] = []
    const begin = (): void => {
      done = []
      entry.operation = done
    }
    const synchronously = (tx: Transaction): void => {
      begin()
      for (let n = 0; n < count; n++) this.#operate(tx, done)
    }
    const asynchronously = async (tx: Transaction): Promise<void> => {
      begin()
      for (let n = 0; n < count; n++) {
        await this.#step()
        this.#operate(tx, done)
      }
    }
    try {
      await this.#store.transact(this.#dice(3) === 0 ? synchronously : asynchronously, this.#options)
      if (life === this.#life) this.#completed(entry, done)
    } catch (error) {
      if (life === this.#life) await this.#failed(entry, error)
    }
  }

  #completed(entry: Entry, done: readonly ListOperation[]): void {
    entry.outcome = "committed"
    entry.completed = this.#position++
    entry.result = done
    // One that only read may have seen what the next crash takes back.
    if (this.#plan.level === "memory" || !done.some(({ kind }) => kind === "append")) entry.durable = false
    this.committedCount++
  }

  async #failed(entry: Entry, error: unknown): Promise<void> {
    if (!(error instanceof OrreryError)) throw error
    if (ABORTED.includes(error.code)) entry.outcome = "aborted"
    else if (error.code !== "ORRERY_COMMIT_UNKNOWN") throw error
    entry.completed = this.#position++
    // Not again and again while the store is down.
    if (error.code === "ORRERY_RESTARTING") await this.#store.ready()
  }

  #operate(tx: Transaction, done: ListOperation[]): void {
    const slot = this.#dice(this.#keys.length)
    const key = this.#keys[slot] as number
    const table = this.#tables[key & 1] as TableHandle<Values>
    const values = tx.get(table, `k${key}`) ?? NOTHING
    if (this.#dice(2) === 0) {
      done.push({ kind: "read", key, values })
      return
    }
    const value = (this.#appends[slot] as number) + 1
    this.#appends[slot] = value
    if (value === APPENDS_A_KEY) {
      this.#keys[slot] = this.#keyCount++
      this.#appends[slot] = 0
    }
    tx.put(table, `k${key}`, [...values, value])
    done.push({ kind: "append", key, value })
  }

  /** The power goes; what is on the disk is what a power cut leaves, and another process goes on with it. */
  async #crash(): Promise<void> {
    this.crashCount++
    this.retriedCount += this.#store.metrics().transactions.retried
    this.#life++
    this.#running = 0
    this.#waiting = []
    this.#crashes.push(this.#position++)
    const { fileSystem } = this.#platform
    const seed = this.#plan.seed + this.#life
    this.#platform = platformOf(this.#plan, seed, (options) => fileSystem.crash("sample", options))
    this.#store = await untilSettled(this.#platform, openStore(this.#platform, SEGMENT_BYTES))
    this.#tables = tablesOf(this.#store)
  }

  #kill(): void {
    this.killCount++
    const actor = KILLED[this.#dice(KILLED.length)] as string
    // With the log's writer goes what was not durable; a shard comes back with everything.
    if (actor.startsWith("log/")) this.#crashes.push(this.#position++)
    void this.#store.killActor(`store/${actor}`, new Error("killed by the test"))
  }

  async #readAll(): Promise<void> {
    for (let first = 0; first < this.#keyCount; first += READ_AT_ONCE) {
      const invoked = this.#position++
      const keys = Array.from({ length: Math.min(READ_AT_ONCE, this.#keyCount - first) }, (_, n) => first + n)
      const { value } = await this.#store.transact((tx) =>
        keys.map((key): ListOperation => {
          const values = tx.get(this.#tables[key & 1] as TableHandle<Values>, `k${key}`) ?? NOTHING
          return { kind: "read", key, values }
        }),
      )
      const completed = this.#position++
      this.#entries.push({ process: "end", operation: [], result: value, outcome: "committed", invoked, completed })
      this.committedCount++
    }
  }

  #step(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** One of those who wait, taken out of them. */
  #next(): (() => void) | undefined {
    const last = this.#waiting.length - 1
    if (last < 0) return undefined
    const place = this.#dice(last + 1)
    const next = this.#waiting[place]
    this.#waiting[place] = this.#waiting[last] as () => void
    this.#waiting.pop()
    return next
  }

  /** Marsaglia 2003: xorshift. */
  #dice(below: number): number {
    this.#chance ^= this.#chance << 13
    this.#chance ^= this.#chance >>> 17
    this.#chance ^= this.#chance << 5
    return (this.#chance >>> 0) % below
  }
}

/** Where stores fail the disk takes its time, so that much is on its way at any moment. */
function platformOf(
  { crashes, kills }: ListAppendPlan,
  seed: number,
  diskOf: (options: SimulatedDiskOptions) => SimulatedDisk,
): SimulatedPlatform {
  const clock = new SimulatedClock()
  const completion = delayed(clock, new SimulatedRandom(seed), DISK_MS_MAX)
  return simulatePlatform({ seed, clock, disk: diskOf(crashes + kills > 0 ? { completion } : {}) })
}

function tablesOf(store: Store): readonly TableHandle<Values>[] {
  return TABLES.map((name) => store.table<Values>(name))
}
