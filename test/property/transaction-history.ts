// Runs transactions side by side, with a seed that says whose next step comes when, and keeps what each of them read and
// wrote; and says whether that can have been, if transactions are as isolated as they were asked to be.

import type { Durability, Isolation, Store, TableHandle, Transaction } from "../../src/index.ts"
import { OrreryError } from "../../src/model/errors.ts"
import type { SimulatedPlatform } from "../../src/simulation/simulated-platform.ts"
import type { HistoryCommit } from "./store-history.ts"

interface Entry {
  readonly n: number
  readonly pad: string
}

/** What a transaction did in the try that was committed. Keys are "table/key", values their numbers. */
export interface Done {
  readonly isolation: Isolation
  readonly lsn: number
  /** The LSN that it read at. */
  readonly begin: number
  readonly reads: readonly (readonly [string, number | undefined])[]
  /** Tables that it walked or counted before it wrote, and how many keys there were. */
  readonly counts: readonly (readonly [string, number])[]
  readonly writes: ReadonlyMap<string, number | undefined>
}

/** What a try has done so far. */
interface Attempt {
  begin: number
  readonly reads: [string, number | undefined][]
  readonly counts: [string, number][]
  readonly writes: Map<string, number | undefined>
}

export interface Plan {
  readonly seed: number
  readonly transactionCount: number
  readonly clientCount: number
  readonly keyCount: number
  readonly level: Durability
  /** Of a thousand steps, how many kill an actor. */
  readonly kills: number
  /** Of a hundred transactions, how many are prepared, and decided some steps later. Default 0. */
  readonly prepared?: number
}

const TABLES = ["t0", "t1"]
const KILLED = ["shards/shard-0", "shards/shard-2", "log/wal-writer"]

/** Errors that leave no trace, and are met where actors are killed. */
const PASSING = ["ORRERY_TRANSACTION_CONFLICT", "ORRERY_SNAPSHOT_EXPIRED", "ORRERY_RESTARTING", "ORRERY_WRITE_REJECTED"]

export class TransactionHistory {
  readonly done: Done[] = []
  /** The same for those who look at what is left after a crash. */
  readonly commits: HistoryCommit[] = []
  conflictCount = 0
  endedCount = 0
  preparedCount = 0
  abortedCount = 0
  readonly #platform: SimulatedPlatform
  readonly #store: Store
  readonly #plan: Plan
  readonly #tables: readonly TableHandle<Entry>[]
  /** Those who wait for their next step. */
  readonly #waiting: (() => void)[] = []
  #startedCount = 0
  #idCount = 0
  #running = 0
  #number = 0
  #state: number

  constructor(platform: SimulatedPlatform, store: Store, plan: Plan) {
    this.#platform = platform
    this.#store = store
    this.#plan = plan
    this.#tables = TABLES.map((name) => store.table<Entry>(name, { durability: plan.level }))
    this.#state = plan.seed | 1
  }

  async run(): Promise<void> {
    const failures: unknown[] = []
    for (let client = 0; client < this.#plan.clientCount; client++) {
      this.#running++
      this.#client()
        .catch((error: unknown) => failures.push(error))
        .finally(() => this.#running--)
    }
    let idle = 0
    while (this.#running > 0 && failures.length === 0) {
      const next = this.#waiting.splice(this.#dice(Math.max(1, this.#waiting.length)), 1)[0]
      idle = next === undefined ? idle + 1 : 0
      next?.()
      if (this.#dice(1000) < this.#plan.kills) this.#kill()
      if (idle > 0 || this.#plan.level !== "memory") await new Promise<void>((resolve) => setImmediate(resolve))
      if (idle > 0) this.#platform.clock.advance(idle > 3 ? 50 : 5)
      else for (let hop = 0; hop < 4; hop++) await Promise.resolve()
      if (idle > 10_000) throw new Error("the transactions do not go on")
    }
    if (failures.length > 0) throw failures[0]
  }

  async #client(): Promise<void> {
    while (this.#startedCount < this.#plan.transactionCount) {
      this.#startedCount++
      await this.#step()
      try {
        await this.#transaction()
      } catch (error) {
        if (!(error instanceof OrreryError) || !PASSING.includes(error.code)) throw error
        if (error.code === "ORRERY_TRANSACTION_CONFLICT") this.conflictCount++
        else if (this.#plan.kills > 0) this.endedCount++
        else throw error
        // Not again and again while the store is down.
        if (error.code === "ORRERY_RESTARTING") await this.#store.ready()
      }
    }
  }

  async #transaction(): Promise<void> {
    const kind = this.#dice(100)
    const isolation = kind < 25 ? "snapshot" : "serializable"
    const isSynchronous = kind >= 90
    const isReadOnly = kind >= 80 && kind < 84
    const commit = this.#commit()
    let attempt = newAttempt()
    const operate = (tx: Transaction, isFirst: boolean): void => {
      const table = this.#dice(TABLES.length)
      const what = this.#dice(100)
      if (what < 8 && attempt.writes.size === 0) attempt.counts.push([TABLES[table] ?? "", this.#count(tx, table)])
      else if (what < 55 || isReadOnly || isFirst) this.#read(tx, attempt, table)
      else this.#write(tx, attempt, table, what)
    }
    const options = { isolation, durability: this.#plan.level, retries: 3 } as const
    const length = 1 + this.#dice(5)
    const { prepared = 0 } = this.#plan
    const id = prepared > 0 && this.#dice(100) < prepared ? `P${++this.#idCount}` : undefined
    const result = await this.#store.transact((tx) => {
      attempt = newAttempt()
      if (id !== undefined) tx.prepare(id)
      if (isSynchronous) {
        for (let n = 0; n < length; n++) operate(tx, false)
        return undefined
      }
      if (isolation === "snapshot") {
        using now = this.#store.snapshot()
        attempt.begin = now.lsn
      }
      return this.#asynchronously(tx, length, operate)
    }, options)
    const lsn = id === undefined ? result.lsn : await this.#decided(id)
    if (lsn === undefined) return
    if (isSynchronous || isolation === "serializable") attempt.begin = attempt.writes.size > 0 ? lsn - 1 : lsn
    this.done.push({ isolation, lsn, ...attempt })
    if (attempt.writes.size > 0) this.#committed(commit, lsn, attempt.writes)
  }

  /** The LSN of its COMMIT; undefined where it was aborted. */
  async #decided(id: string): Promise<number | undefined> {
    this.preparedCount++
    for (let wait = this.#dice(6); wait > 0; wait--) await this.#step()
    const isAborted = this.#dice(5) === 0
    for (;;) {
      try {
        if (!isAborted) return (await this.#store.commitPrepared(id)).lsn
        await this.#store.abortPrepared(id)
        this.abortedCount++
        return undefined
      } catch (error) {
        // What is prepared is decided, whatever comes in between.
        if (!(error instanceof OrreryError) || error.code !== "ORRERY_RESTARTING") throw error
        await this.#store.ready()
      }
    }
  }

  async #asynchronously(
    tx: Transaction,
    length: number,
    operate: (tx: Transaction, isFirst: boolean) => void,
  ): Promise<undefined> {
    if (this.#dice(2) === 0) operate(tx, true)
    for (let n = 0; n < length; n++) {
      await this.#step()
      operate(tx, false)
    }
    await this.#step()
    return undefined
  }

  #read(tx: Transaction, attempt: Attempt, table: number): void {
    const key = this.#key()
    const place = `${TABLES[table]}/${key}`
    const n = tx.get(this.#table(table), key)?.n
    if (!attempt.writes.has(place)) attempt.reads.push([place, n])
    else if (n !== attempt.writes.get(place)) throw new Error(`${place}: the transaction does not read its own write`)
  }

  #write(tx: Transaction, attempt: Attempt, table: number, what: number): void {
    const key = this.#key()
    const place = `${TABLES[table]}/${key}`
    if (what < 65) {
      tx.delete(this.#table(table), key)
      attempt.writes.set(place, undefined)
      return
    }
    const n = ++this.#number
    const value = { n, pad: "x".repeat(n % 50) }
    if (what < 80) {
      tx.update(this.#table(table), key, (before) => {
        if (!attempt.writes.has(place)) attempt.reads.push([place, before?.n])
        return value
      })
    } else tx.put(this.#table(table), key, value)
    attempt.writes.set(place, n)
  }

  #count(tx: Transaction, table: number): number {
    const handle = this.#table(table)
    switch (this.#dice(3)) {
      case 0:
        return tx.size(handle)
      case 1:
        return [...tx.keys(handle)].length
      default:
        return [...tx.entries(handle)].length
    }
  }

  #commit(): HistoryCommit {
    const { level } = this.#plan
    return { n: 0, level, effects: [], lsn: undefined, ackedAt: Infinity, outcome: "pending" }
  }

  #committed(commit: HistoryCommit, lsn: number, writes: ReadonlyMap<string, number | undefined>): void {
    const ackedAt = this.#plan.level === "synced" ? this.#platform.fileSystem.operationCount : Infinity
    this.commits.push({ ...commit, effects: [...writes], lsn, outcome: "acknowledged", ackedAt })
  }

  #kill(): void {
    const actor = KILLED[this.#dice(KILLED.length)]
    void this.#store.killActor(`store/${actor}`, new Error("killed by the test"))
  }

  #step(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #table(index: number): TableHandle<Entry> {
    return this.#tables[index] as TableHandle<Entry>
  }

  #key(): string {
    return `k${this.#dice(this.#plan.keyCount)}`
  }

  #dice(below: number): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) % below
  }
}

function newAttempt(): Attempt {
  return { begin: 0, reads: [], counts: [], writes: new Map() }
}

/** What every key held behind every commit. */
class Past {
  readonly #turns = new Map<string, { readonly lsn: number; readonly n: number | undefined }[]>()

  constructor(done: readonly Done[]) {
    for (const { lsn, writes } of done.toSorted((a, b) => a.lsn - b.lsn)) {
      for (const [place, n] of writes) {
        const turns = this.#turns.get(place) ?? []
        turns.push({ lsn, n })
        this.#turns.set(place, turns)
      }
    }
  }

  at(place: string, lsn: number): number | undefined {
    return this.#turns.get(place)?.findLast((turn) => turn.lsn <= lsn)?.n
  }

  count(table: string, lsn: number): number {
    const places = [...this.#turns.keys()].filter((place) => place.startsWith(`${table}/`))
    return places.filter((place) => this.at(place, lsn) !== undefined).length
  }
}

/**
 * What cannot have been: at serializable, a read that differs from the state right before the transaction's own commit; at
 * snapshot, one that differs from the state at its beginning, or a write of what was written since.
 */
export function violations(done: readonly Done[]): string[] {
  const past = new Past(done)
  const found: string[] = []
  for (const { isolation, lsn, begin, reads, counts, writes } of done) {
    const at = isolation === "snapshot" || writes.size === 0 ? begin : lsn - 1
    const tell = (what: string): number => found.push(`the ${isolation} transaction at ${begin} to ${lsn} ${what}`)
    for (const [place, n] of reads) {
      const expected = past.at(place, at)
      if (n !== expected) tell(`read ${n} in ${place}, at ${at} it is ${expected}`)
    }
    for (const [table, count] of counts) {
      if (count !== past.count(table, at))
        tell(`counted ${count} in ${table}, at ${at} there are ${past.count(table, at)}`)
    }
    if (isolation === "serializable") continue
    // Numbers are written once, so one that is the same was not changed; what is absent again has no update to lose.
    for (const place of writes.keys()) {
      if (past.at(place, begin) !== past.at(place, lsn - 1)) tell(`lost an update of ${place}`)
    }
  }
  return found
}
