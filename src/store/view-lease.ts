// A view's record, as the one that keeps the view up knows it, and the commits that move it. Nobody else may write the view
// while its number in the record is the highest: every commit looks first whether that still holds, on its own turn.
//
// Commits are not waited for one by one. Later ones stand behind earlier ones in the log; where one fails or is lost, those
// behind it are not made.

import type { Receipt } from "../wal/commit-batch.ts"
import type { Operation } from "./commit-session.ts"
import { Superseded } from "./feed-worker.ts"
import type { TransactionRunner } from "./transact.ts"
import type { CheckedDefinition } from "./view-definition.ts"
import type { ViewRecord } from "./view-record.ts"
import type { ViewTables } from "./view-tables.ts"
import type { Writer } from "./writer.ts"

/** What a commit writes, by the record that it finds, and what becomes of that. */
export type ViewChange = (record: ViewRecord) => {
  readonly operations: readonly Operation[]
  readonly record: ViewRecord
}

/** What a lease needs of its store. */
export interface LeaseHost {
  readonly tables: ViewTables
  readonly transactions: TransactionRunner
  readonly writer: Writer
}

/** Commits that may be on their way to the disk. */
const IN_FLIGHT_MAX = 4

export class ViewLease {
  /** Undefined before it was read, and where the view was removed. */
  record: ViewRecord | undefined
  readonly #host: LeaseHost
  readonly #view: string
  /** 0 before the lease was taken. */
  #run = 0
  #inFlight: Promise<Receipt>[] = []
  /** A commit has failed: those behind it must not be made. */
  #isBroken = false

  constructor(host: LeaseHost, view: string) {
    this.#host = host
    this.#view = view
  }

  get isTaken(): boolean {
    return this.#run > 0
  }

  /**
   * Reads the record, and takes the lease the first time; makes the view where there is none. Undefined: it was removed.
   * Rows of another definition, and those of a build that cannot be gone on with, are to be cleared.
   */
  async begin({ mark, kind, from }: CheckedDefinition, signal: AbortSignal): Promise<ViewRecord | undefined> {
    const { views } = this.#host.tables
    this.#isBroken = false
    this.#inFlight = []
    const isLost = ({ standing }: ViewRecord): boolean => kind === "fold" && standing === "building"
    if (this.isTaken) {
      const found = views.get(this.#view)
      if (found !== undefined && found.run !== this.#run) throw new Superseded()
      this.record = found
      if (found === undefined || !isLost(found)) return found
    }
    const fresh = { version: 1, mark, from, position: 0, builtLsn: 0 } as const
    const begun = { standing: "clearing", walk: undefined, error: undefined } as const
    const { value } = await this.#host.transactions.run(
      (tx): ViewRecord => {
        const found = tx.get(views, this.#view)
        const run = (found?.run ?? 0) + 1
        const isKept = found?.mark === mark && !isLost(found) && found.standing !== "removing"
        const record: ViewRecord = isKept ? { ...found, run } : { ...fresh, ...found, ...begun, run }
        tx.put(views, this.#view, record)
        return record
      },
      // The lease must outlive a failure of the log: it says that the view was there.
      { signal, durability: "synced" },
    )
    this.#run = value.run
    this.record = value
    return value
  }

  /** One commit of rows and record. Waits where many are on their way; fails with what an earlier one failed with. */
  async commit(change: ViewChange, signal: AbortSignal): Promise<void> {
    const { tables, writer } = this.#host
    const { views } = tables
    const receipt = writer.update(
      () => {
        const found = views.get(this.#view)
        const { record: known } = this
        const isHeld =
          found?.run === this.#run && found.standing === known?.standing && found.position === known.position
        if (!isHeld || this.#isBroken) throw new Superseded()
        // Until it is known that nothing was thrown.
        this.#isBroken = true
        const { operations, record } = change(found)
        this.#isBroken = false
        this.record = record
        return [...operations, views.insertion(this.#view, record)]
      },
      "synced",
      signal,
    )
    receipt.catch(ignore)
    this.#inFlight.push(receipt)
    if (this.#inFlight.length >= IN_FLIGHT_MAX) await this.#inFlight.shift()
  }

  /** Until everything is durable. */
  async landed(): Promise<void> {
    await Promise.all(this.#inFlight.splice(0))
  }

  /** Changes the record alone, whatever it says by now. */
  async change(change: (record: ViewRecord) => ViewRecord): Promise<void> {
    const { tables, transactions } = this.#host
    await transactions.run(
      (tx) => {
        const found = tx.get(tables.views, this.#view)
        if (found?.run !== this.#run) throw new Superseded()
        this.record = change(found)
        tx.put(tables.views, this.#view, this.record)
      },
      { durability: "synced" },
    )
  }

  /** Moves the position over what was of no interest; does nothing where it was moved meanwhile. */
  async move(lsn: number): Promise<void> {
    const { tables, transactions } = this.#host
    const from = this.record?.position
    await transactions.run((tx) => {
      const found = tx.get(tables.views, this.#view)
      const isHeld = found?.run === this.#run && found.standing === "ready" && found.position === from
      if (!isHeld || this.record?.position !== from) return
      this.record = { ...found, position: lsn }
      tx.put(tables.views, this.#view, this.record)
    }, {})
  }
}

/** Who waits for the commit learns of it. */
function ignore(): void {}
